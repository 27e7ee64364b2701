"""DuckDB functions that sqlglot has no class for, and whose lineage is that of their arguments.

A function that is neither here nor known to sqlglot is refused: it may be a macro that reads tables, or reach outside
of the query as `getvariable`, `getenv` and `current_setting` do.
"""

from __future__ import annotations

_AGGREGATES = """
arbitrary arg_max_null arg_max_nulls_last arg_min_null arg_min_nulls_last bitstring_agg entropy favg fsum histogram
histogram_exact kahan_sum kurtosis_pop mad mean product reservoir_quantile sem sum_no_overflow sumkahan
"""

_SCALARS = """
add age array_aggr array_aggregate array_apply array_cosine_distance array_cosine_similarity array_cross_product
array_distance array_dot_product array_extract array_grade_up array_has_any array_indexof array_inner_product
array_reduce array_resize array_reverse_sort array_select array_sort array_transform array_unique array_value
array_where array_zip bar base64 bin bit_count bit_position bitstring century constant_or_null
damerau_levenshtein date_part date_sub datepart datesub decade divide element_at epoch_ns epoch_us
equi_width_bins era even format_bytes gamma gcd grade_up greatest_common_divisor hamming hash isfinite
jaccard jaro_similarity julian lcm least_common_multiple lgamma list_aggr list_aggregate list_any_value list_append
list_apply list_avg list_cat list_cosine_similarity list_count list_element list_extract list_first list_grade_up
list_has_all list_histogram list_indexof list_inner_product list_intersect list_last list_max list_median list_min
list_mode list_pack list_position list_prepend list_product list_reduce list_resize list_reverse list_reverse_sort
list_select list_slice list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum list_unique list_var_pop
list_var_samp list_where list_zip make_timestamptz map_contains map_extract map_values microsecond millennium millisecond
mismatches multiply nanosecond nextafter nfc_normalize ord prefix regexp_escape regexp_split_to_array
row roundbankers round_even signbit stem strip_accents strlen struct_insert subtract suffix timezone
timezone_hour timezone_minute to_centuries to_decades to_hours to_microseconds to_millennia to_milliseconds
to_minutes to_months to_quarters to_seconds to_weeks to_years try_strptime union_extract union_tag
union_value weekday width_bucket yearweek
"""

AGGREGATES = frozenset(_AGGREGATES.split())
"""Names of functions that make one value of many rows."""

SCALARS = frozenset(_SCALARS.split())
"""Names of functions of one row."""
