"""What ties a node to others beside its topics: transforms, depth images, other cameras, the estimator's stride."""
