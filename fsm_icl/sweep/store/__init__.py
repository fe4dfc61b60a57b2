"""The locked results folder that one driver writes."""
