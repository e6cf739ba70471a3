"""One rank of the DDP recipe: `python -m tests.msam.one_of_two_processes FOLDER RANK`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from msam.msam import MSAM
from tests.msam.recipes import recipes
from tests.msam.test_recipes import linear_model, run, whole_batch
from tests.tiny import OPTIM, tiny_model


def main(folder: Path, rank: int) -> None:
    """Trains on half of the batch and writes the weights to FOLDER/RANK.pt."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    inputs, labels = whole_batch()
    rows = slice(8 * rank, 8 * rank + 8)
    code = recipes()["DistributedDataParallel"]
    views = code.replace("Parallel(model)", "Parallel(model, gradient_as_bucket_view=True)")
    assert views != code
    found: dict[str, object] = {}
    for kind, recipe in (("plain", code), ("bucket views", views)):
        model = linear_model()
        run(recipe, kind)["train"](
            model, {m: x[rows] for m, x in inputs.items()}, labels[rows], steps=5
        )
        found[kind] = model.state_dict()
    try:
        MSAM(tiny_model(), OPTIM)
    except ValueError as error:
        found["refusal"] = str(error)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
