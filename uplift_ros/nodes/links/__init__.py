"""Inputs and outputs beside a node's own topics: transforms, depth images, other cameras, the estimator's stride."""
