"""Whole populations, by the same rules as everybody alone: Arrow columns in, Arrow columns out. Needs the extra
`rollout[batch]`.

answers     cohort_batches         batches of people -> batches of answers, for files and for Spark's mapInArrow
cohorts     compile_cohort         a flag of a ruleset, ready for whole batches
moving      count_moves            who gains and who loses, by what people have in common
files       find_population        Parquet and CSV, read and written in parts
standing    cohort_at, state_of    a rollout somewhere else on its path; a file alone
conditions  condition_mask         conditions over columns
columns     read_column            columns by the declared types
hashing     hash_text              the buckets of a whole column
"""

from rollout.batch.answers import ANSWERS, IDS, Tally, cohort_batches, missing_columns
from rollout.batch.cohorts import Cohort, compile_cohort
from rollout.batch.standing import cohort_at, state_of

__all__ = [
    "ANSWERS",
    "IDS",
    "Cohort",
    "Tally",
    "cohort_at",
    "cohort_batches",
    "compile_cohort",
    "missing_columns",
    "state_of",
]
