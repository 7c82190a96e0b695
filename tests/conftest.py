"""
How hypothesis searches.

The same examples every time, so that a red run can be repeated by anybody; to look further, give a profile that draws
new ones: ``pytest --hypothesis-profile=explore``.
"""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("repeatable")
