"""Layer 3, world: brings the packages of a virtual environment to those of a run, and makes one where there is none."""

from cloche.environments.creation import create_environment as create_environment
from cloche.environments.packages import apply_packages as apply_packages
from cloche.environments.planning import kept_packages as kept_packages
from cloche.environments.planning import plan_packages as plan_packages
