"""From accepted photos to the person's LoRA: trained, chosen by likeness, published, seen to work.

`person` trains and chooses; `recipes.train` and the profile recipe use it.
"""
