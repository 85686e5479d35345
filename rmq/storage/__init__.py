"""What is kept, alone or replicated.

``records`` are the operations, the only way to change what is kept; ``state`` applies them deterministically.
"""
