"""Taking in folders that are on disk already, and handing out plain ones. No network."""

from mirror.adopt.adopting import carry_out, plan_adoption
from mirror.adopt.checkout import (
    CheckoutPlan,
    CheckoutReport,
    carry_out_checkout,
    plan_checkout,
)
from mirror.adopt.git_clone import HUB_HOSTS
from mirror.adopt.model import (
    Action,
    Adopted,
    AdoptionPlan,
    AdoptionReport,
    Placed,
    Share,
    SnapshotPlan,
    Trouble,
)
from mirror.adopt.recognise import Told

__all__ = [
    "HUB_HOSTS",
    "Action",
    "Adopted",
    "AdoptionPlan",
    "AdoptionReport",
    "CheckoutPlan",
    "CheckoutReport",
    "Placed",
    "Share",
    "SnapshotPlan",
    "Told",
    "Trouble",
    "carry_out",
    "carry_out_checkout",
    "plan_adoption",
    "plan_checkout",
]
