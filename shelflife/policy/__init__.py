"""Policy as code: retention rules, regimes with their clocks and caps, what changes between versions, what is published."""
