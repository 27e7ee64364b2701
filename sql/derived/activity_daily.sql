/* model
name: activity_daily
zone: derived
grain: one row per person per local day
keys: [pid, local_date]
owner: data-platform
reads: [activity]
period: day
retention_class: derived/default
erasure: rewrite
disclosure: null
columns:
  pid: {class: ordinary, description: pseudonym of the derived zone}
  local_date: {class: ordinary, description: local calendar day on which the intervals start}
  sources: {class: ordinary, description: "series that reported steps, distance or energy; one of them counts for each"}
  steps:
    class: sensitive
    unit: "{steps}"
    description: steps of the most complete series of the day; a phone and a watch count the same steps
    formula: sum over the series that covers the most time, then the one with the largest sum
    source: "LOINC 55423-8; Apple, HKStatisticsQuery: sources must be merged, never summed"
  distance_m: {class: sensitive, unit: m, description: distance of the most complete series of the day, formula: as for steps, source: "Apple, HKStatisticsQuery: sources must be merged, never summed"}
  active_energy_kcal: {class: sensitive, unit: kcal, description: active energy of the most complete series of the day, formula: as for steps, source: "LOINC 41981-2; Apple, HKStatisticsQuery: sources must be merged, never summed"}
  workouts: {class: sensitive, description: workouts; recordings that overlap are one, formula: number of maximal runs of overlapping workout intervals, source: "Klee, Am. Math. Monthly 1977;84:284 (measure of a union of intervals)"}
  workout_minutes: {class: sensitive, unit: min, description: time in workouts; time that two recordings share counts once, formula: length of the union of the workout intervals, source: "Klee, Am. Math. Monthly 1977;84:284 (measure of a union of intervals)"}
*/
-- 719 = FUTURE | OUT_OF_RANGE | DUP_EXACT | DUP_CROSS_SOURCE | LOW_CONFIDENCE | TIME_ONLY | COUNTED_ELSEWHERE: rows that
-- count nowhere.
-- A series is what one app and device report as one type of record: minute, hour and day records of one device overlap too.
WITH usable AS (
    SELECT
        pid,
        local_date,
        signal,
        value_num,
        start_utc,
        end_utc,
        CASE
            WHEN signal = 'workout' THEN ''
            ELSE concat_ws(chr(31), coalesce(source_platform, ''), coalesce(source_app, ''), coalesce(device_make, ''), coalesce(device_model, ''), coalesce(record_path, ''))
        END AS series
    FROM activity
    WHERE signal IN ('step_count', 'distance', 'active_energy', 'workout') AND coalesce(quality_flags, 0) & 719 = 0
),
swept AS (
    SELECT
        *,
        max(end_utc) OVER (
            PARTITION BY pid, local_date, signal, series ORDER BY start_utc, end_utc
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS covered_until
    FROM usable
),
totals AS (
    SELECT
        pid,
        local_date,
        signal,
        series,
        sum(value_num) AS total,
        count(*) FILTER (WHERE covered_until IS NULL OR start_utc >= covered_until) AS islands,
        sum(greatest(epoch_us(end_utc) - epoch_us(greatest(start_utc, coalesce(covered_until, start_utc))), 0)) / 60000000 AS minutes
    FROM swept
    GROUP BY pid, local_date, signal, series
),
chosen AS (
    SELECT *
    FROM totals
    QUALIFY row_number() OVER (PARTITION BY pid, local_date, signal ORDER BY minutes DESC, total DESC, series) = 1
),
counted AS (
    SELECT pid, local_date, count(DISTINCT series) FILTER (WHERE signal <> 'workout') AS sources
    FROM totals
    GROUP BY pid, local_date
)
SELECT
    counted.pid,
    counted.local_date,
    counted.sources,
    max(chosen.total) FILTER (WHERE chosen.signal = 'step_count') AS steps,
    max(chosen.total) FILTER (WHERE chosen.signal = 'distance') AS distance_m,
    max(chosen.total) FILTER (WHERE chosen.signal = 'active_energy') AS active_energy_kcal,
    max(chosen.islands) FILTER (WHERE chosen.signal = 'workout') AS workouts,
    max(chosen.minutes) FILTER (WHERE chosen.signal = 'workout') AS workout_minutes
FROM counted
INNER JOIN chosen ON counted.pid = chosen.pid AND counted.local_date = chosen.local_date
GROUP BY counted.pid, counted.local_date, counted.sources
