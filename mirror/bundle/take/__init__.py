"""In: looking at what somebody has brought, letting it in or not, and publishing it."""
