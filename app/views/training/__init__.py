"""The page Training: how is the run going?"""
