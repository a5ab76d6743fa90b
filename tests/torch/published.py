def published(first):
    return []
