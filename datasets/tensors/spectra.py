"""Log spectrograms of three seconds of speech, batched and on the samples' device.

Clips are repeated three times and cut at three seconds. No matrix product or convolution is in
single precision, which some modes of a GPU would reduce further.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchaudio.functional import resample

RATE_HZ = 16_000
PUBLISHED_RATE_HZ = 22_050
SECONDS, COPIES = 3, 3
WINDOW, OVERLAP, PUBLISHED_HOP = 512, 353, 353
TAPER = 0.25
FLOOR = 1e-7
# The settings of resampy's kaiser_best, librosa's resampler when the published code was written.
KAISER_BEST = {
    "lowpass_filter_width": 64,
    "rolloff": 0.9475937167399596,
    "resampling_method": "sinc_interp_kaiser",
    "beta": 14.769656459379492,
}

FrontEnd = Callable[[Tensor, Tensor], Tensor]


def standardised_spectrogram(samples: Tensor, lengths: Tensor) -> Tensor:
    """Samples (B, S) in [-1, 1) at 16 kHz, lengths (B,) -> (B, 1, 257, 299) float32.

    The shape that the papers state. Mean 0 and standard deviation 1 per clip, as hche11/VGGSound
    does for this spectrogram.
    """
    spectrum = log_density(repeated(samples, lengths, SECONDS * RATE_HZ))
    # A mean in float64: in float32 silence would differ from its mean, by nothing but rounding.
    centred = spectrum - spectrum.mean((1, 2), keepdim=True, dtype=torch.float64).float()
    deviation = centred.square().mean((1, 2), keepdim=True).sqrt()
    return (centred / (deviation + 1e-9)).unsqueeze(1)  # silence is 0, not NaN


def published_spectrogram(samples: Tensor, lengths: Tensor) -> Tensor:
    """Samples (B, S) in [-1, 1) at 16 kHz, lengths (B,) -> (B, 1, 257, 188) float32.

    What the published code computes, from 22.05 kHz on as `log_magnitude`.
    """
    faster = resample(samples.double(), RATE_HZ, PUBLISHED_RATE_HZ, **KAISER_BEST)
    faster_lengths = (lengths * PUBLISHED_RATE_HZ + RATE_HZ - 1) // RATE_HZ
    return log_magnitude(faster.float(), faster_lengths).unsqueeze(1)


def log_density(signal: Tensor) -> Tensor:
    """ln(power density + 1e-7) of a signal (B, T) at 16 kHz: (B, 257, (T - 353) // 159).

    As scipy.signal.spectrogram with nperseg 512, noverlap 353 and else its defaults: Tukey window,
    frames without their mean, one-sided.
    """
    frames = signal.unfold(1, WINDOW, WINDOW - OVERLAP)
    window = tukey(WINDOW).to(signal)
    spectrum = torch.fft.rfft((frames - frames.mean(2, keepdim=True)) * window)
    density = spectrum.real.square() + spectrum.imag.square()
    density[..., 1:-1] *= 2
    return density.div_(RATE_HZ * window.square().sum()).add_(FLOOR).log_().transpose(1, 2)


def log_magnitude(samples: Tensor, lengths: Tensor) -> Tensor:
    """ln(magnitude + 1e-7) of samples (B, S) at 22.05 kHz, lengths (B,): (B, 257, 188).

    The published code (AGM_ICCV2023@5a65542, dataloader/CREMAD_loader.py:126-131): clipped to
    [-1, 1], centred frames of 512 samples every 353, padded with zeros.
    """
    signal = repeated(samples, lengths, SECONDS * PUBLISHED_RATE_HZ).clamp(-1, 1)
    window = torch.hann_window(WINDOW, dtype=signal.dtype, device=signal.device)
    padded = F.pad(signal, (WINDOW // 2, WINDOW // 2))
    spectrum = torch.stft(
        padded, WINDOW, PUBLISHED_HOP, window=window, center=False, return_complex=True
    )
    return (spectrum.abs() + FLOOR).log()


def repeated(samples: Tensor, lengths: Tensor, total: int) -> Tensor:
    """Each clip three times in a row, cut or filled with zeros to `total` samples: (B, total)."""
    position = torch.arange(total, device=samples.device)
    spans = lengths.unsqueeze(1)
    tiled = samples.gather(1, position % spans)
    return tiled * (position < COPIES * spans)


def tukey(size: int) -> Tensor:
    """The periodic Tukey window of scipy's spectrogram, flat but for 1/8 at both ends: (size,)."""
    ramp = TAPER * size / 2
    position = torch.arange(size, dtype=torch.float64)
    nearest_end = torch.minimum(position, size - position)
    return (1 - torch.cos(torch.pi * (nearest_end / ramp).clamp(max=1))) / 2


FRONT_ENDS: dict[str, FrontEnd] = {
    "257x299": standardised_spectrogram,
    "257x188": published_spectrogram,
}
