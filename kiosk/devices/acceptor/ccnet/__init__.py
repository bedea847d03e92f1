"""CCNET: the serial protocol of CashCode note validators and their many compatibles."""
