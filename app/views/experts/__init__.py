"""The page Experts: do experts specialise, by modality and by content?"""
