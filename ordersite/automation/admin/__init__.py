"""Pages of automation: rules with their builder, dry runs, the log of runs, proposed releases."""

from ordersite.automation.admin import dry_runs, release, rule, runs

__all__ = ["dry_runs", "release", "rule", "runs"]
