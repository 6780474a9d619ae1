"""A shared page: what each visitor may ask for, who a visitor is, what is kept. WORKBENCH_HOSTED=1 switches it on."""

from workbench.hosted.admission import check_model as check_model
from workbench.hosted.admission import check_plan as check_plan
from workbench.hosted.limits import Limits as Limits
from workbench.hosted.limits import load_limits as load_limits
from workbench.hosted.owners import STRANGER as STRANGER
