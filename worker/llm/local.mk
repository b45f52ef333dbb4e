# worker/llm
