"""Makers of test data with good defaults, and the people of the story. Each opens its own transaction."""

from tests.factories.ecos import *  # noqa: F403
from tests.factories.people import *  # noqa: F403
from tests.factories.products import *  # noqa: F403
