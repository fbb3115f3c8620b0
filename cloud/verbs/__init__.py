"""``kestrel-cloud``'s verbs, a module each: a program loads only what its own verb needs."""
