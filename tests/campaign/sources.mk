# What runs in a campaign's machines: load in its guests, watch in Domain-0
CAMPAIGN_PROGRAMS := $(basename $(notdir $(wildcard tests/campaign/programs/*.c)))
