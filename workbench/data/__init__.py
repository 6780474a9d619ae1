"""Data: open it, have the doctor look at it, repair it, split it, and keep it under its fingerprint."""

from workbench.data import clean
from workbench.data.bundled import BundledCard, bundled
from workbench.data.clean import check_fixes, rename_fix
from workbench.data.columns import guess_columns
from workbench.data.data_tasks import DATA_TASKS, data_task
from workbench.data.doctor import check, documents, examine
from workbench.data.faults import DataError, Fault
from workbench.data.limits import Limits
from workbench.data.open import RawData, read
from workbench.data.prepared import Prepared, load_prepared, prepare, save_prepared
from workbench.data.records import fixes as record_fixes
from workbench.data.report import Lengths, Report
from workbench.data.split import Split
from workbench.data.subsets import prepare_subsets

# Every repair of every task: the function and the words on its button.
FIXES = {**record_fixes.FIXES, **clean.FIXES}

__all__ = [
    "DATA_TASKS",
    "FIXES",
    "BundledCard",
    "DataError",
    "Fault",
    "Lengths",
    "Limits",
    "Prepared",
    "RawData",
    "Report",
    "Split",
    "bundled",
    "check",
    "check_fixes",
    "data_task",
    "documents",
    "examine",
    "guess_columns",
    "load_prepared",
    "prepare",
    "prepare_subsets",
    "read",
    "rename_fix",
    "save_prepared",
]
