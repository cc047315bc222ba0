"""What tests share: a clock held by hand, and real databases."""
