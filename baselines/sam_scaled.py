"""Control for M-SAM: SAM with a smaller radius and nothing modality-aware."""

from __future__ import annotations

from baselines.registry import register
from baselines.sam import SAM
from msam.model import MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative


@register("sam_scaled")
class ScaledSAM(SAM):
    """SAM with radius `factor` * rho.

    To first order in rho, M-SAM with the scalar split is SAM with radius nu_d * rho. So what M-SAM
    gains over SAM counts for its contributions only if it also gains over this method with the
    mean nu_d of the M-SAM run as `factor`; `benchmarks.records.contribution` reads it from its
    record. The default is the mean nu_d of `msam_random` with two modalities.
    """

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        rho: NonNegative = 0.05,
        factor: NonNegative = 0.75,
    ) -> None:
        super().__init__(model, optim, rho=rho * factor)
