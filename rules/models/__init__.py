"""Learned rules: models that score payments beside the written rules.

`features` says what a model sees, `observing` watches the engine and takes the rows, `table` makes them of recorded events for training,
and `scoring` puts the scores into the decisions of the running service. One code makes the rows of training and of the stream.

`labelled`, `splitting`, `training` and `judging` make models of recorded payments; `boosting` and `autoencoder` are what comes out, plain
arrays that only score; `registry` keeps them in versions. A model's file holds numbers only and can run nothing.
"""

from __future__ import annotations

from rules.models.features import FEATURES, FEATURES_VERSION, row_of

__all__ = ["FEATURES", "FEATURES_VERSION", "row_of"]
