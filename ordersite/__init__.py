from ordersite.celery import app as celery_app

# The next release, with .dev0 until it is one; CHANGELOG.md has a section for each.
__version__ = "0.3.0.dev0"
__all__ = ["celery_app"]
