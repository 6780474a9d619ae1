"""Ways out: what a finished run can be taken home as, and how it is written, checked, described and sent."""
