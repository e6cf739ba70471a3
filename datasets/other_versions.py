"""Other versions of the datasets, which the preparation does not read, and why not. Data only."""

from __future__ import annotations

from datasets.sources import AVE, DRIVE, UR_FUNNY, RawSource

OTHER_VERSIONS = (
    RawSource(
        "avmnist",
        "avmnist.tar.gz",
        (f"{DRIVE}file/d/1KvKynJJca5tDtI5Mmp6CoRh9pQywH8Xp",),
        "none stated",
        "Liang et al.: MultiBench, NeurIPS Datasets and Benchmarks 2021",
        size="1.3 GB unpacked",
        note="the arrays that the published numbers come from, most probably; data prepare "
        "rebuilds them from MNIST and FSDD",
    ),
    RawSource(
        "avmnist",
        "AV-MNIST of MFAS",
        (f"{DRIVE}file/d/1rbXy_-zlFaTmQApsQwL-8iOxg9insznS",),
        "none stated",
        "Perez-Rua et al.: MFAS: Multimodal fusion architecture search, CVPR 2019",
        size="not stated",
        note="other data: its users report 74 to 75 % for images and 66 % for sound",
    ),
    RawSource(
        "urfunny",
        "UR-FUNNY v1",
        (
            "https://github.com/ROC-HCI/UR-FUNNY/blob/master/UR-FUNNY-V1.md",
            "https://www.dropbox.com/s/izk6khkrdwcncia/ted_humor_sdk_v1.zip",
        ),
        *UR_FUNNY,
        size="not stated",
        note="16,514 samples, as the M-SAM paper states (train 10,598, val 2,626, test 3,290: "
        "unverified); the Dropbox link is reported dead",
    ),
    RawSource(
        "urfunny",
        "UR-FUNNY v2",
        (
            "https://github.com/ROC-HCI/UR-FUNNY",
            "https://www.dropbox.com/sh/9h0pcqmqoplx9p2/AAC8yYikSBVYCSFjm3afFHQva",
            "https://www.dropbox.com/s/lg7kjx0kul3ansq/urfunny2_videos.zip",
        ),
        *UR_FUNNY,
        size="not stated",
        note="10,166 samples (train 8,074, val 1,034, test 1,058: unverified): features and raw "
        "videos",
    ),
    RawSource(
        "ave",
        "right_label.h5",
        (f"{DRIVE}drive/folders/1q8GYBqfkyDDAnVMClrMTXR9YzH9UPcSM",),
        "none stated",
        "Zhou et al.: Positive sample propagation along the audio-visual event line, CVPR 2021",
        size="not stated",
        note="a repaired labels.h5, which the published code opens as right_labels.h5; if it lies "
        "beside the features, data prepare compares it with the labels from Annotations.txt",
    ),
    RawSource(
        "ave",
        "4,097 videos (mp4)",
        (f"{DRIVE}file/d/1FjKwe79e0u96vdjIVwfRQ1V6SoDHe7kK",),
        *AVE,
        size="not stated",
        note="for the other AVE task, 28 classes a clip from frames and spectrograms; its numbers "
        "cannot be compared with those of 29 classes a second",
    ),
)
