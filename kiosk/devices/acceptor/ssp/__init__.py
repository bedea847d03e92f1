"""SSP and eSSP, the protocol of Innovative Technology's note validators (NV9, NV10, NV11, NV200, BV)."""
