"""Which spatial frequencies a classifier depends on."""
