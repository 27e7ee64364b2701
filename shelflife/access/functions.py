"""The DuckDB functions that a governed query may call, by the names that DuckDB's own parser gives them.

It is an allow-list: a function that reads a file, a setting, a variable, statistics or a catalog, that runs other SQL,
that takes a function's name as text, or that raises an error with text of the caller's choosing is not on it.
"""

from __future__ import annotations

_OPERATORS = """
+ - * / // % ^ ** || ~~ !~~ ~~* !~~* like_escape not_like_escape ilike_escape not_ilike_escape regexp_full_match
list_value row grouping
"""

_AGGREGATES = """
count count_star count_if countif sum fsum avg mean favg min max median mode product
stddev stddev_samp stddev_pop variance var_samp var_pop sem skewness kurtosis kurtosis_pop entropy mad
quantile quantile_cont quantile_disc approx_quantile approx_count_distinct
corr covar_samp covar_pop regr_slope regr_intercept regr_r2 regr_count regr_avgx regr_avgy
bool_and bool_or any_value first last arg_min arg_max min_by max_by string_agg array_agg list
"""

_WINDOWS = """
row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
"""

_NUMBERS = """
abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log2 log10 power pow mod fmod greatest least
pi sin cos tan asin acos atan atan2 degrees radians isnan isinf isfinite
"""

_TIMES = """
date_part date_trunc date_diff datediff date_sub datesub date_add time_bucket extract
year month day hour minute second quarter week weekofyear isoyear dayofweek isodow dayofmonth dayofyear
dayname monthname last_day age epoch epoch_ms epoch_us strftime strptime make_date make_timestamp timezone
to_years to_months to_weeks to_days to_hours to_minutes to_seconds today current_date now get_current_timestamp
"""

_TEXTS = """
lower upper trim ltrim rtrim substring substr left right length len concat concat_ws replace contains
starts_with ends_with prefix suffix strpos instr split_part hex to_hex
"""

_VALUES = """
coalesce ifnull nullif if constant_or_null
"""

ALLOWED_FUNCTIONS: frozenset[str] = frozenset(
    name
    for group in (_OPERATORS, _AGGREGATES, _WINDOWS, _NUMBERS, _TIMES, _TEXTS, _VALUES)
    for name in group.split()
)
