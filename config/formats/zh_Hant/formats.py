"""Taiwan writes 99,997 and 1,234.5. Django's own table separates groups by nothing."""

DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
