"""The page Emergence: when did experts specialise?"""
