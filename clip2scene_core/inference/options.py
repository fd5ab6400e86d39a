"""How the segmenter labels sweeps and gathers them."""

from __future__ import annotations

from dataclasses import dataclass

from clip2scene_core.inference.views import check_views
from clip2scene_core.preprocessing.reach import EGO_RADIUS_M, MAX_RANGE_M, MIN_RANGE_M

MODES = ("lidar", "camera", "fused")


@dataclass(frozen=True)
class OnlineOptions:
    """How sweeps are labelled and gathered.

    Attributes:
        mode: "lidar": the student alone. "camera": MaskCLIP projected on the points; what no camera
            sees stays unlabelled. "fused": both where a camera sees the point, else the student.
        map_enabled: Keep a map at all.
        map_voxel_size_m: Edge of the map's voxels.
        map_radius_m: Voxels farther than this from the LiDAR leave the map.
        map_max_voxels: When there are more, those not seen for longest leave. The memory is
            reserved at once: 2 bytes for each of D numbers a voxel, 28 more, and 8 for its key.
        map_decay_s: Time in which what was seen loses half of its weight; 0 keeps it.
        map_carving: Voxels that three later sweeps see through leave the map, and with them the
            trail of what moves.
        min_range_m: Nearer points stay unlabelled.
        ego_radius_m: Points above and below this circle around the LiDAR stay unlabelled (the ego
            vehicle).
        max_range_m: Points farther away stay unlabelled.
        min_confidence: Labels with a lower score become unlabelled.
        background: A score is how probable the label is among the labels and those texts of the
            student's training that mean something else: "none of these words" gets the rest.
            Without it, points of other objects have high scores. Labels do not change by it. Mode
            "camera" has no student, and no background.
        camera_weight: In mode "fused", the cameras' share in the weighted geometric mean of both
            probabilities. The student is steadier than the teacher that it learned from: with the
            shipped models a fifth beats the student alone, and a half does worse than it.
        with_entropies: Compute the entropy of each point; costs some milliseconds per 100 prompts.
        camera_scales: Multiples of the CLIP's image height at which every image is read, see
            `DenseClip`. Those of the shipped student's teacher, 0.36, 1 and 1.43, cost five times
            as much.
        key_smoothing: MaskCLIP's smoothing of pixel embeddings by key similarity; doubles the time
            of the cameras.
        readout: What stands for the last attention of a CLIP with a ViT, see `DenseClip`.
        window: Edge of square windows that slide over an image, pixels, see `DenseClip`; 0: none.
        window_step: From one window to the next, pixels; 0: half of the window.
        refinement: Iterations of a refinement by colors, see `DenseClip`; 0: none.
        prompt_denoising: MaskCLIP's: a label whose probability stays below this all over a picture
            is not in it. 0 keeps all labels. Neither queries nor the map are denoised.
        level: Whether the student sees sweeps levelled on their ground; None: as in its training.
        ground_smoothing: Weight of the past in the ground of each sweep, in [0, 1), see
            `GroundTracker`; 0 levels each sweep on its own.
        device: For example "cpu" or "cuda".
        precision: "fp32" or "bf16".
        per_voxel: Whether the student sees the mean of the points in each of its voxels, and they
            all get its label. SPVCNN can tell them apart, which costs a third more time; with the
            shipped student validation scenes and real frames are labelled equally well.
        views: How often the student looks at each sweep, turned and mirrored otherwise each time;
            the mean counts. It takes as many times as long. For labels that nobody waits for.

    Raises:
        ValueError: If a value is out of its range.

    Example:
        >>> OnlineOptions(mode="fused", max_range_m=50.0).map_enabled
        True
    """

    mode: str = "lidar"
    map_enabled: bool = True
    map_voxel_size_m: float = 0.2
    map_radius_m: float = 60.0
    map_max_voxels: int = 500_000
    map_decay_s: float = 0.0
    map_carving: bool = True
    min_range_m: float = MIN_RANGE_M
    ego_radius_m: float = EGO_RADIUS_M
    max_range_m: float = MAX_RANGE_M
    min_confidence: float = 0.0
    background: bool = True
    camera_weight: float = 0.2
    with_entropies: bool = False
    camera_scales: tuple[float, ...] = (1.0,)
    key_smoothing: bool = True
    readout: str = "maskclip"
    window: int = 0
    window_step: int = 0
    refinement: int = 0
    prompt_denoising: float = 0.0
    level: bool | None = None
    ground_smoothing: float = 0.8
    device: str = "cpu"
    precision: str = "fp32"
    per_voxel: bool = True
    views: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if not 0 <= self.min_range_m < self.max_range_m:
            raise ValueError(
                f"ranges must be 0 <= min < max, got {self.min_range_m} and {self.max_range_m} m"
            )
        if not self.ego_radius_m >= 0:
            raise ValueError(f"ego_radius_m must not be negative, got {self.ego_radius_m}")
        if not 0 <= self.ground_smoothing < 1:
            raise ValueError(f"ground_smoothing must be in [0, 1), got {self.ground_smoothing}")
        check_views(self.views)
        if self.mode == "camera" and self.views > 1:
            raise ValueError(f"views are a student's, and mode 'camera' has none, got {self.views}")
        for name in ("min_confidence", "camera_weight", "prompt_denoising"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
