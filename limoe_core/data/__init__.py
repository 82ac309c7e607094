"""Image-text pairs: data sets, preprocessing, augmentation and batches."""
