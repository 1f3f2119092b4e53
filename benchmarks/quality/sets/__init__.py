"""The data sets: each is read from its original files and written as interchange files, train and test."""

from benchmarks.quality.sets import (
    amazon_beauty_5core,
    completejourney,
    gowalla_lightgcn,
    online_retail_2010_2011,
    retailrocket_sessions,
    serenade_example,
    tmall_multibehavior,
)
from benchmarks.quality.sets.dataset import Dataset

ALL: tuple[Dataset, ...] = (
    completejourney.DATASET,
    gowalla_lightgcn.DATASET,
    amazon_beauty_5core.DATASET,
    retailrocket_sessions.DATASET,
    serenade_example.DATASET,
    tmall_multibehavior.DATASET,
    online_retail_2010_2011.DATASET,
)
"""In the order of the report."""

BY_NAME = {dataset.name: dataset for dataset in ALL}
"""By the name of their folder."""
