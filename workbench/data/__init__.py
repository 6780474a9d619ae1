"""Data: open it, have the doctor look at it, repair it, split it, and keep it under its fingerprint."""

from workbench.data.bundled import BundledCard, bundled
from workbench.data.clean import FIXES, check_fixes, rename_fix
from workbench.data.columns import guess_columns
from workbench.data.doctor import check, examine
from workbench.data.faults import DataError, Fault
from workbench.data.limits import Limits
from workbench.data.open import RawData, read
from workbench.data.prepared import Prepared, load_prepared, prepare, save_prepared
from workbench.data.report import Lengths, Report
from workbench.data.split import Split

__all__ = [
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
    "examine",
    "guess_columns",
    "load_prepared",
    "prepare",
    "read",
    "rename_fix",
    "save_prepared",
]
