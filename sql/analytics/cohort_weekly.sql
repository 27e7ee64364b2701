/* model
name: cohort_weekly
zone: analytics
grain: one row per age band, sex and ISO week
keys: [week_start, age_band, sex]
owner: analytics
reads: [heart_daily, glucose_daily, sleep_nightly, activity_daily, attributes]
period: week
retention_class: analytics/default
erasure: rederive
disclosure:
  people: people
  cells: [age_band, sex]
  within: [week_start]
  measures:
    people_heart: [mean_bpm]
    people_glucose: [mean_time_in_range_percent]
    people_sleep: [mean_total_sleep_min]
    people_activity: [mean_steps]
columns:
  week_start: {class: ordinary, description: Monday of the ISO 8601 week}
  age_band: {class: ordinary, description: "coarse age band, or unknown"}
  sex: {class: ordinary, description: "female, male or unknown"}
  people: {class: ordinary, description: people with any data in the week}
  people_heart: {class: ordinary, description: people behind mean_bpm}
  people_glucose: {class: ordinary, description: people behind mean_time_in_range_percent}
  people_sleep: {class: ordinary, description: people behind mean_total_sleep_min}
  people_activity: {class: ordinary, description: people behind mean_steps}
  mean_bpm: {class: sensitive, unit: "/min", description: mean daily heart rate; each person counts once, formula: mean over people of each person's mean of mean_bpm, source: "ISO 8601-1:2019 (week); two-stage mean, Cochran, Sampling Techniques 1977, ch. 10"}
  mean_time_in_range_percent: {class: special, unit: "%", description: mean daily time in range; each person counts once, formula: mean over people of each person's mean of time_in_range_percent, source: "Battelino et al., Diabetes Care 2019;42:1593; two-stage mean as for mean_bpm"}
  mean_total_sleep_min: {class: sensitive, unit: min, description: mean nightly sleep time; each person counts once, formula: mean over people of each person's mean of total_sleep_min, source: "YASA 0.6, sleep_statistics (TST); two-stage mean as for mean_bpm"}
  mean_steps: {class: sensitive, unit: "{steps}", description: mean daily steps; each person counts once, formula: mean over people of each person's mean of steps, source: "LOINC 55423-8; two-stage mean as for mean_bpm"}
*/
WITH daily AS (
    SELECT pid, local_date, mean_bpm, NULL AS time_in_range, NULL AS sleep_min, NULL AS steps FROM heart_daily
    UNION ALL
    SELECT pid, local_date, NULL AS mean_bpm, time_in_range_percent AS time_in_range, NULL AS sleep_min, NULL AS steps FROM glucose_daily
    UNION ALL
    SELECT pid, local_date, NULL AS mean_bpm, NULL AS time_in_range, total_sleep_min AS sleep_min, NULL AS steps FROM sleep_nightly
    UNION ALL
    SELECT pid, local_date, NULL AS mean_bpm, NULL AS time_in_range, NULL AS sleep_min, steps FROM activity_daily
),
person AS (
    SELECT
        pid,
        CAST(date_trunc('week', local_date) AS DATE) AS week_start,
        avg(mean_bpm) AS mean_bpm,
        avg(time_in_range) AS time_in_range,
        avg(sleep_min) AS sleep_min,
        avg(steps) AS steps
    FROM daily
    GROUP BY pid, week_start
)
SELECT
    person.week_start,
    coalesce(attributes.age_band, 'unknown') AS age_band,
    coalesce(attributes.sex, 'unknown') AS sex,
    count(*) AS people,
    count(person.mean_bpm) AS people_heart,
    count(person.time_in_range) AS people_glucose,
    count(person.sleep_min) AS people_sleep,
    count(person.steps) AS people_activity,
    avg(person.mean_bpm) AS mean_bpm,
    avg(person.time_in_range) AS mean_time_in_range_percent,
    avg(person.sleep_min) AS mean_total_sleep_min,
    avg(person.steps) AS mean_steps
FROM person
LEFT JOIN attributes ON person.pid = attributes.pid
GROUP BY person.week_start, coalesce(attributes.age_band, 'unknown'), coalesce(attributes.sex, 'unknown')
