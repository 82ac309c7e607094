"""The study of docs/study/plan.md: LIMoE's claims at a size that is trained many times."""
