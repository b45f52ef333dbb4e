# worker/pipeline
