"""How a program of the platform is seen from outside: is it ready, what does it count, where did the time go."""
