"""What Carillon promises under faults, and for each promise the tests that break it on purpose.

`test_promises.py` holds this table to the tests that exist. What has no test yet is in `OPEN`, with its
reason.
"""

from __future__ import annotations

# The last digit of each promise, by chapter.
CHAPTERS = {
    "P-0": "123456789ABCDE",  # delivery: nothing lost, copies bounded
    "P-1": "0123456789",  # exactly one run
    "P-2": "012345678",  # the broker
    "P-3": "0123456789",  # the database
    "P-4": "01234567",  # consent at the last moment
    "P-5": "012345678",  # links
    "P-6": "0123456789ABCD",  # providers
    "P-7": "0123456789",  # the API
    "P-8": "0123456789",  # approval, roles, objects
    "P-9": "01234567",  # time
    "P-A": "012345678",  # imports and operations
}
ALL = [chapter + digit for chapter, digits in CHAPTERS.items() for digit in digits]

# ruff: noqa: E501 - a name of a test is not broken
KEPT = """
P-01 faults/test_workers.py::test_a_worker_killed_in_the_middle_is_replaced_and_nobody_is_missed
P-02 faults/test_drill.py::test_a_worker_that_dies_between_the_providers_yes_and_its_record_costs_nobody_a_message
P-04 config/test_doctor.py::test_in_production_no_worker_starts_on_a_database_that_may_forget
P-06 races/test_pausing.py::test_fifty_times_in_a_row
P-07 campaigns/test_delivery.py::test_stopping_cancels_what_was_not_sent_and_balances
P-07 campaigns/test_delivery.py::test_stopping_waits_for_the_worker_that_holds_a_batch
P-08 campaigns/test_delivery.py::test_a_template_that_fails_for_one_person_excludes_only_them
P-08 channels/test_contract.py::test_one_wrong_address_in_a_call_is_refused_alone
P-09 campaigns/test_delivery.py::test_a_batch_that_kills_every_worker_is_given_up_visibly
P-0A campaigns/test_delivery.py::test_a_worker_that_slept_through_its_lease_can_record_nothing
P-0A faults/test_two_hosts.py::test_a_host_that_is_cut_off_loses_nobody_and_adds_nothing_when_it_is_back
P-0B races/test_races.py::test_a_batch_wanted_by_eight_workers_goes_to_one
P-0B races/test_races.py::test_eight_workers_on_every_batch_send_each_message_once
P-0C campaigns/test_delivery.py::test_a_ledger_that_does_not_balance_never_completes
P-0E channels/test_mime.py::test_the_message_id_is_the_same_for_every_try
P-0E faults/test_mail_servers.py::test_p65_a_line_that_breaks_after_the_dot_is_uncertain_and_tried_again_under_the_same_name
P-10 races/test_activation.py::test_activate_pressed_fifty_times_at_once_is_one_run
P-10 races/test_races.py::test_activated_by_two_people_at_once_is_one_run
P-11 races/test_races.py::test_eight_clocks_start_a_run_once
P-12 races/test_races.py::test_eight_fan_outs_at_once_write_everybody_once
P-12 campaigns/test_delivery.py::test_a_start_told_ten_times_and_written_ten_times_is_one_run_of_those_who_were_there
P-13 campaigns/test_delivery.py::test_a_clock_that_dies_before_its_commit_or_before_its_ring_starts_one_run
P-14 campaigns/test_delivery.py::test_a_run_more_than_an_hour_late_is_missed_and_says_so
P-14 campaigns/test_schedule.py::test_a_run_is_missed_by_one_rule_whatever_its_own
P-14 campaigns/test_schedule.py::test_after_three_days_without_a_clock_one_run_is_missed_and_the_next_is_on_time
P-15 campaigns/test_schedule.py::test_moving_the_hour_around_the_slot_sends_once_that_day
P-15 races/test_lifecycle.py::test_a_new_version_and_the_clock_at_the_due_second_make_one_run_of_that_day
P-16 campaigns/test_schedule.py::test_pausing_over_a_slot_and_resuming_does_not_send_it
P-17 faults/test_database.py::test_what_commits_after_newer_changes_is_started_all_the_same
P-18 campaigns/test_schedule.py::test_a_run_that_cannot_be_started_says_why_and_holds_up_no_other
P-19 campaigns/test_delivery.py::test_a_start_told_ten_times_and_written_ten_times_is_one_run_of_those_who_were_there
P-19 campaigns/test_delivery.py::test_fan_out_writes_one_message_a_person_whatever_the_pages
P-20 faults/test_workers.py::test_a_broker_emptied_in_the_middle_loses_nobody
P-21 campaigns/test_api.py::test_a_call_while_the_broker_is_away_is_accepted_and_leaves_with_the_next_sweep
P-24 config/test_security_page.py::test_no_task_outlives_what_the_broker_believes_or_waits_in_the_memory_of_a_worker
P-25 config/test_security_page.py::test_no_task_outlives_what_the_broker_believes_or_waits_in_the_memory_of_a_worker
P-28 config/test_security_page.py::test_nothing_is_read_that_can_run
P-32 faults/test_database_line.py::test_an_activation_cut_at_its_commit_is_one_run_or_none_and_the_next_press_settles_it
P-32 faults/test_database_line.py::test_a_call_cut_at_its_commit_is_one_message_when_it_is_sent_again
P-32 faults/test_database_line.py::test_a_run_cut_at_each_of_its_commits_misses_nobody_and_hides_no_copy
P-33 faults/test_database_line.py::test_one_of_two_that_wait_for_each_other_is_told_to_try_again_and_leaves_no_trace
P-35 faults/test_database.py::test_without_a_line_to_the_database_everybody_is_told_to_come_back
P-36 faults/test_database.py::test_nothing_leaves_that_a_full_volume_could_not_note_and_it_goes_on_with_room
P-39 campaigns/test_delivery.py::test_no_worker_is_rung_before_what_it_is_to_read_is_committed
P-40 campaigns/test_delivery.py::test_somebody_who_unsubscribes_after_fan_out_gets_nothing
P-40 races/test_leaving.py::test_who_leaves_during_a_batch_gets_nothing_from_the_next_window_on
P-41 campaigns/test_delivery.py::test_somebody_who_leaves_while_their_message_waits_for_another_try_gets_nothing
P-42 audiences/test_erasure.py::test_an_erased_address_stays_suppressed_when_it_is_imported_again
P-42 audiences/test_consent.py::test_an_address_longer_than_the_list_takes_is_suppressed_by_its_hash
P-43 audiences/test_imports.py::test_consent_comes_back_only_with_newer_evidence
P-43 faults/test_imports.py::test_an_opt_out_while_the_import_runs_stands
P-44 campaigns/test_api.py::test_transactional_mail_reaches_somebody_who_wants_no_marketing
P-44 campaigns/test_to_complainers.py::test_who_complained_gets_transactional_mail_only_when_asked_for
P-45 campaigns/test_limits.py::test_each_person_sleeps_in_their_own_zone_and_who_has_none_in_the_default
P-45 campaigns/test_limits.py::test_two_campaigns_at_once_do_not_both_slip_over_a_cap
P-46 campaigns/test_receipts.py::test_bad_addresses_and_people_who_stopped_are_taken_out_and_nobody_else
P-46 campaigns/test_to_complainers.py::test_who_complains_between_fan_out_and_sending_is_looked_at_in_the_same_way
P-47 audiences/test_erasure.py::test_nothing_is_left_of_an_erased_person_and_the_report_reads_as_before
P-50 hostile/test_tokens.py::test_no_other_method_changes_anything
P-50 campaigns/test_tracking.py::test_opening_the_unsubscribe_page_changes_nothing_and_its_button_does
P-51 campaigns/test_tracking.py::test_one_click_needs_no_cookie_and_works_once
P-51 config/test_headers.py::test_plain_http_is_redirected_but_where_mail_programs_post
P-53 flows/test_marketing_mail.py::test_a_marketing_message_passes_the_rules_for_bulk_senders_and_carries_what_was_set
P-53 campaigns/test_not_followed.py::test_links_and_pages_outlive_a_rotation_of_the_key_but_not_its_removal
P-54 campaigns/test_tracking.py::test_a_forged_click_shows_a_friendly_page
P-55 hostile/test_tokens.py::test_no_letter_can_be_changed
P-55 common/test_tokens.py::test_a_token_for_one_purpose_does_not_open_another
P-56 campaigns/test_tracking.py::test_nothing_in_the_query_changes_where_a_click_leads
P-57 campaigns/test_machines.py::test_the_report_shows_people_and_machines_apart_in_as_many_queries
P-57 campaigns/test_not_followed.py::test_a_link_that_nobody_sees_gives_a_scanner_away
P-58 campaigns/test_not_followed.py::test_a_link_leads_on_and_a_picture_shows_while_the_database_is_down
P-58 hostile/test_tokens.py::test_guesses_are_never_valid_and_nobody_asks_the_database
P-60 faults/test_mail_servers.py::test_p60_a_server_that_closes_at_the_greeting_costs_nobody_a_try
P-61 faults/test_mail_servers.py::test_p61_who_is_greylisted_gets_one_copy_at_the_second_try
P-62 faults/test_mail_servers.py::test_p62_an_address_that_is_none_fails_and_is_suppressed_and_policy_suppresses_nobody
P-63 faults/test_mail_servers.py::test_p63_what_is_set_up_wrongly_holds_the_run_and_fails_nobody
P-64 faults/test_mail_servers.py::test_p64_each_person_has_a_transaction_and_an_answer_of_their_own
P-65 faults/test_mail_servers.py::test_p65_a_line_that_breaks_after_the_dot_is_uncertain_and_tried_again_under_the_same_name
P-66 faults/test_mail_servers.py::test_p66_a_server_that_says_nothing_frees_the_worker_and_holds_up_no_other_configuration
P-67 faults/test_mail_servers.py::test_p67_answers_that_are_none_fail_nobody
P-68 faults/test_http_providers.py::test_p68_a_status_is_refused_waited_for_or_held_as_it_says
P-69 campaigns/test_feedback.py::test_what_becomes_of_a_triggered_message_is_told_signed_with_its_request
P-69 campaigns/test_feedback.py::test_an_answer_of_any_size_is_a_success_whose_words_are_kept_nowhere
P-69 campaigns/test_feedback.py::test_an_endpoint_that_fails_for_days_is_switched_off_with_a_notice_and_on_by_hand
P-6A faults/test_mail_servers.py::test_p6a_while_a_provider_is_away_it_is_tried_by_one_message_in_half_a_minute
P-6B faults/test_pace.py::test_p6b_four_workers_and_two_runs_keep_the_limit_while_workers_are_killed_and_started
P-6C faults/test_mail_servers.py::test_p6c_what_is_uncertain_at_one_provider_goes_through_no_other
P-6D campaigns/test_receipts.py::test_p6d_what_comes_three_days_late_counts_for_the_day_it_happened_and_once
P-6D campaigns/test_receipts.py::test_receipts_move_a_message_forward_once_whatever_is_repeated_and_in_whatever_order
P-70 races/test_posted_at_once.py::test_fifty_parallel_posts_of_one_request_are_one_mail
P-71 campaigns/test_api.py::test_the_same_request_id_with_another_body_is_a_conflict
P-72 campaigns/test_api.py::test_a_request_id_says_nothing_in_another_workspace
P-73 faults/test_triggered.py::test_killed_before_the_answer_the_same_call_again_is_one_message
P-74 campaigns/test_api.py::test_a_call_that_was_refused_does_not_keep_its_request_id
P-75 campaigns/test_api.py::test_an_idempotency_key_stands_in_place_of_the_request_id
P-76 faults/test_triggered.py::test_all_is_killed_right_after_the_202_and_the_message_goes_out_once
P-77 audiences/test_api_consent.py::test_every_statement_of_a_bulk_call_has_its_own_result
P-78 fuzz/test_schema.py::test_no_call_breaks_the_api_or_its_description
P-79 races/test_lifecycle.py::test_four_clients_change_what_they_read_and_three_are_told
P-80 rights/test_own_work.py::test_nobody_approves_their_own_by_any_door
P-81 campaigns/test_lifecycle.py::test_a_change_to_what_was_submitted_voids_the_approval
P-81 campaigns/test_approvals.py::test_the_send_compares_once_more
P-82 races/test_lifecycle.py::test_an_approval_and_an_edit_at_once_have_one_legal_outcome
P-82 races/test_lifecycle.py::test_an_approval_races_with_the_approvers_right
P-83 rights/test_matrix.py::test_every_role_may_exactly_what_the_matrix_says
P-83 rights/test_sample.py::test_every_address_has_its_row_and_every_row_its_address
P-84 rights/test_matrix.py::test_no_answer_names_what_is_elsewhere_or_behind_a_label
P-85 accounts/test_rights_api.py::test_what_is_elsewhere_is_as_unknown_as_what_is_not
P-86 rights/test_queued.py::test_the_next_request_of_a_session_and_of_a_token_is_refused
P-86 rights/test_queued.py::test_what_a_credential_activated_is_held_once_it_may_not_publish
P-87 accounts/test_roles.py::test_a_share_dies_with_the_last_role_in_the_workspace
P-88 rights/test_matrix.py::test_no_body_sets_what_is_not_the_callers_to_set
P-89 accounts/test_audit.py::test_what_was_done_past_the_trigger_is_found
P-89 accounts/test_audit.py::test_a_cut_tail_is_found_with_a_head_noted_elsewhere
P-90 campaigns/test_recurrence.py::test_what_the_clocks_do_to_one_time
P-91 campaigns/test_recurrence.py::test_what_the_clocks_do_to_one_time
P-92 campaigns/test_recurrence.py::test_nine_o_clock_every_day_stays_nine_o_clock
P-92 campaigns/test_recurrence.py::test_a_year_of_sends_is_what_the_calendar_and_the_clocks_on_the_wall_say
P-93 campaigns/test_recurrence.py::test_days_of_the_month_and_the_week
P-93 campaigns/test_recurrence.py::test_the_29th_of_february_comes_every_four_years_and_the_end_is_included
P-94 campaigns/test_schedule.py::test_each_person_gets_it_at_the_same_hour_of_their_own_zone
P-95 campaigns/test_schedule.py::test_a_clock_that_is_put_back_starts_nothing_again_and_nobody_is_left_out
P-95 campaigns/test_schedule.py::test_a_worker_whose_clock_runs_ahead_starts_nothing_early
P-95 config/test_doctor.py::test_a_process_whose_clock_is_an_hour_off_says_so
P-96 flows/test_backup.py::test_a_restored_backup_sends_nothing_until_it_is_allowed_and_then_nothing_twice
P-97 audiences/test_events.py::test_a_wrong_event_is_told_and_the_others_are_kept
P-97 campaigns/test_schedule.py::test_the_zone_is_frozen_by_name_and_moments_in_utc
P-A0 faults/test_imports.py::test_a_worker_killed_at_any_stage_leaves_an_import_that_ends_as_if_undisturbed
P-A0 audiences/test_imports.py::test_the_same_file_again_rewrites_nobody
P-A1 faults/test_imports.py::test_two_imports_of_overlapping_files_at_once_neither_wait_for_ever_nor_double
P-A3 audiences/test_imports.py::test_bad_rows_are_listed_and_the_others_come_in
P-A4 config/test_upgrades.py::test_every_migration_since_the_first_release_adds_or_says_what_it_does
P-A6 flows/test_backup.py::test_a_restored_backup_sends_nothing_until_it_is_allowed_and_then_nothing_twice
P-A7 config/test_doctor.py::test_a_part_that_is_silent_is_first_late_and_then_away
P-A7 config/test_probes.py::test_without_its_database_it_is_alive_and_not_ready_and_says_nothing_of_it
P-A8 config/test_logs.py::test_an_address_in_the_log_names_no_person
"""

DRILL = "`make drill` injects it on runs of 50,000; the suite does not"
MACHINE = "needs a machine, a volume or a line of its own to break"

OPEN = {
    "P-03": "`make drill` kills all workers at once, and the servers on their own",
    "P-05": "no test ends a worker by SIGTERM in the middle of a run",
    "P-0D": "a day of faults is no test for a suite",
    "P-22": MACHINE,
    "P-23": "no test resets the lines to the broker again and again",
    "P-26": "a million rings take longer than a suite may",
    "P-27": MACHINE,
    "P-30": DRILL,
    "P-31": DRILL,
    "P-34": MACHINE,
    "P-37": MACHINE,
    "P-38": "no test restarts the database under the clock",
    "P-52": "the unsubscribe page runs no script; no browser test shows it",
    "P-A2": "`make bench-imports` measures a large file; the suite does not",
    "P-A5": "no test migrates tables with a million rows",
}
