"""Every test here may ask for certificates."""

from tests.support.certificates import certificates as certificates
