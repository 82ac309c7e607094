"""The page Routing: what happened to each token of a pair?"""
