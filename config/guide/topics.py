"""Every help text, in one place by its key: what a page is, when to use it, what happens next.

The frame around a page asks for the text of its address; the guide shows them all, in the order of the work.
`tests/config/test_guide.py` fails for a page without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import ResolverMatch
from django.utils.translation import gettext_lazy as _

from config.guide import manual


@dataclass(frozen=True)
class Topic:
    """`pages` are URL names; an address with a `tab` is named with it: `campaigns:edit/audience`."""

    key: str
    title: Any
    text: Any
    pages: str


@dataclass(frozen=True)
class Chapter:
    key: str
    title: Any
    topics: tuple[Topic, ...]


BEGINNING = Chapter(
    "beginning",
    _("The beginning"),
    (
        Topic(
            "home",
            _("Create campaigns"),
            _(
                "Home shows what waits for you: approvals, drafts that lack something, runs that are "
                "sending, and what leaves in the next seven days. To write to people, press “New "
                "campaign”. In a new workspace, four steps lead to the first send."
            ),
            "home",
        ),
        Topic(
            "search",
            _("Search"),
            _(
                "One field finds what you may see: campaigns, audiences, contents and channels by a piece "
                "of their name or a tag, people by an address, a number or how their email address "
                "begins, a message by its number. “/” leads to the field from anywhere on a page."
            ),
            "campaigns:search",
        ),
        Topic(
            "start",
            _("Before the first campaign"),
            _(
                "A campaign needs three things: the right to make one, an audience to send to, and an "
                "active channel configuration that carries it. This page checks the three for you and "
                "names who can give what is missing."
            ),
            "campaigns:start",
        ),
        Topic(
            "notices",
            _("Notices"),
            _(
                "What others ask of you and what became of your campaigns. Choose for each kind whether "
                "it also comes by email. A notice leads to the page where you can act on it."
            ),
            "accounts:notices",
        ),
        Topic(
            "own",
            _("My account"),
            _(
                "Choose another password, and see where you are signed in. If a browser there is not "
                "yours, sign out everywhere else and then change the password. The name at the top of "
                "every page leads here."
            ),
            "accounts:own",
        ),
        Topic(
            "two-steps",
            _("Two-step sign-in"),
            _(
                "A code of an app on your phone after the password. Show the QR code to the app, type the "
                "six digits it answers with, and keep the ten recovery codes: each lets you in once when "
                "the phone is not there. Who has lost both asks whoever runs the installation."
            ),
            "accounts:two_steps",
        ),
        Topic(
            "guide",
            _("The guide"),
            _(
                "Every help text of Carillon on one page, in the order of the work. The “?” above every "
                "page opens the one that belongs there."
            ),
            " ".join(["guide", *(f"manual_{name}" for name in manual.NAMES)]),
        ),
    ),
)
CAMPAIGNS = Chapter(
    "campaigns",
    _("Campaigns"),
    (
        Topic(
            "campaigns",
            _("The list of campaigns"),
            _(
                "All campaigns you may see. Scheduled ones go to an audience at a time you set; API-"
                "triggered ones are called by other systems. The list begins with what is open. The menu "
                "at the end of a row offers what you may do now, and says why not where you may not."
            ),
            "campaigns:list",
        ),
        Topic(
            "new-campaign",
            _("A new campaign"),
            _(
                "Choose the type and the category first: they decide what the rest asks for. Marketing "
                "leaves out everybody who said no and can always be unsubscribed from; transactional "
                "answers something a person did. Neither can be changed later; a duplicate is a new start."
            ),
            "campaigns:create",
        ),
        Topic(
            "properties",
            _("Properties"),
            _(
                "Name, description and the rules of the whole campaign, such as what happens with "
                "messages nobody knows the outcome of. The name is seen by your colleagues only. "
                "Everything is saved as you type."
            ),
            "campaigns:edit/properties",
        ),
        Topic(
            "campaign-audience",
            _("The audience of a campaign"),
            _(
                "Who gets it, and who does not even if they belong. The panel beside the form counts how "
                "many of them each channel can reach now. People are counted again when the run begins, "
                "and asked about once more just before sending."
            ),
            "campaigns:edit/audience",
        ),
        Topic(
            "campaign-channels",
            _("Channels of a campaign"),
            _(
                "One campaign may go out over several channels at once, each with its own configuration "
                "and content. Let everybody get all of them, or only the first that can reach them, in "
                "the order given here."
            ),
            "campaigns:channels",
        ),
        Topic(
            "content",
            _("Content"),
            _(
                "What people read. Begin with a template, draw it in the designer, or write the code. Put "
                "in personal fields from the list beside it, and look at the result as a person of your "
                "choice on a desktop, a phone and in dark. When it reads well, send a proof."
            ),
            "campaigns:content campaigns:designer",
        ),
        Topic(
            "begin",
            _("How content begins"),
            _(
                "Take one of your own templates or ours, or bring in HTML made elsewhere. What you have "
                "written so far is replaced; subject and preview line stay. Afterwards everything can be "
                "changed."
            ),
            "campaigns:begin",
        ),
        Topic(
            "variants",
            _("Languages and treatments"),
            _(
                "Languages give each person the text they read: one who has no text of their own gets the "
                "nearest, else the default. Treatments are versions of the same message for an "
                "experiment: each person keeps the one they drew, and the report tells which did better."
            ),
            "campaigns:variants",
        ),
        Topic(
            "campaign-files",
            _("Attachments"),
            _(
                "Files that travel with every message. They count towards its size, so a link to a file "
                "is often kinder. A change is part of what is approved."
            ),
            "campaigns:files",
        ),
        Topic(
            "links",
            _("Links"),
            _(
                "Every link of the message, with its name in the report. Turn the counting off for single "
                "links, such as one that carries a secret."
            ),
            "campaigns:links",
        ),
        Topic(
            "schedule",
            _("Schedule"),
            _(
                "When it leaves: as soon as it is activated, once, or again and again; in your zone or at "
                "each person’s own hour; all at once, in waves, or at a rate. The next ten sends are "
                "listed, with what daylight saving does to them."
            ),
            "campaigns:edit/schedule campaigns:upcoming",
        ),
        Topic(
            "proofs",
            _("Send proof"),
            _(
                "The message as it stands, sent to your own addresses to be read in a real mailbox. "
                "Proofs count in no report. They show what a chosen person would get."
            ),
            "campaigns:proofs",
        ),
        Topic(
            "preflight",
            _("Pre-flight"),
            _(
                "Writes the message for every person, or for a fair sample of them, without sending: "
                "missing fields, empty subjects, oversize, broken links, parts and cost of text messages. "
                "Do it before you ask for approval; approvers see the result."
            ),
            "campaigns:preflight",
        ),
        Topic(
            "review",
            _("Review"),
            _(
                "The whole campaign on one page, as an approver sees it: content, people with the reasons "
                "why some are left out, schedule, findings, and what differs from what was approved "
                "before. Errors must be mended; warnings may stay. The buttons are those you may press."
            ),
            "campaigns:review",
        ),
        Topic(
            "stop",
            _("Stop a campaign"),
            _(
                "Stopping ends it for good: nothing more leaves, except what is already in a carrier’s "
                "hands; the page says at most how many. To go on later, pause it instead."
            ),
            "campaigns:stop",
        ),
        Topic(
            "versions",
            _("Versions"),
            _(
                "Each activation keeps what was sent. Compare any two side by side. A live campaign is "
                "changed through a draft: the old version sends until the draft is activated."
            ),
            "campaigns:versions",
        ),
        Topic(
            "manage",
            _("Tags, labels, sharing"),
            _(
                "Tags and folders help to find it. Labels narrow who may see it. Sharing gives one "
                "campaign to somebody whose role does not reach it. None of it changes what is sent."
            ),
            "campaigns:manage",
        ),
        Topic(
            "calendar",
            _("Calendar"),
            _(
                "What has run and what will run, week by week or month by month. Bring in calendars of "
                "your own as CSV to see holidays and sales beside the sends. Press an entry for its "
                "details."
            ),
            "campaigns:calendar",
        ),
        Topic(
            "library",
            _("Content library"),
            _(
                "What several campaigns share: fragments (a footer, say), templates to begin with, and "
                "pictures and files. A fragment that is changed and published goes into drafts at once; "
                "what was approved stays as it was approved."
            ),
            "campaigns:fragments campaigns:fragment campaigns:fragment_create campaigns:templates "
            "campaigns:template campaigns:assets campaigns:asset campaigns:asset_delete",
        ),
        Topic(
            "main-switch",
            _("Stop all sending"),
            _(
                "The main switch of the workspace, above all its campaigns. While it is off nothing "
                "leaves and calls of the API are refused; nothing is lost, and what waits goes on when it "
                "is allowed again. It is off after a backup was restored, so that nobody gets a message "
                "twice."
            ),
            "campaigns:sending",
        ),
    ),
)
APPROVAL = Chapter(
    "approval",
    _("Approval"),
    (
        Topic(
            "approvals",
            _("Approvals"),
            _(
                "What waits for your decision, and what you asked others for. Nobody approves a campaign "
                "they made, last edited or submitted. Approve it, approve and activate it, or ask for "
                "changes with a comment. When you are away, name who decides in your place."
            ),
            "campaigns:approvals",
        ),
        Topic(
            "policies",
            _("Approval policies"),
            _(
                "Who must agree to which campaigns. The first active policy whose conditions fit decides; "
                "its approvers are people or roles, all of them or any. As soon as one policy is active, "
                "no campaign of the workspace is activated without approval."
            ),
            "campaigns:policies campaigns:policy campaigns:policy_create",
        ),
    ),
)
AFTERWARDS = Chapter(
    "afterwards",
    _("What happened"),
    (
        Topic(
            "run",
            _("Run"),
            _(
                "One sending of a campaign, as it happens: how far it is, how fast, when it will end, "
                "what it waits for, and which errors came. Pause and resume it here; nobody is skipped or "
                "doubled by it."
            ),
            "campaigns:run",
        ),
        Topic(
            "uncertain",
            _("Uncertain messages"),
            _(
                "Messages handed over whose answer never came: they may have arrived or not. Leave them, "
                "send them again, or mark them by hand. Sending again may give somebody the message "
                "twice."
            ),
            "campaigns:uncertain",
        ),
        Topic(
            "winner",
            _("Choose the winner"),
            _(
                "The rest of the people wait for the better treatment. It is chosen by itself at the set "
                "time; choose earlier where you are sure. The choice cannot be taken back."
            ),
            "campaigns:winner",
        ),
        Topic(
            "report",
            _("Report"),
            _(
                "From the people aimed at to what they did. Every number says how it is counted, and "
                "leads to its single messages. Opens and clicks made by machines are shown apart. The "
                "balance line proves that everybody is accounted for."
            ),
            "campaigns:report campaigns:campaign_report campaigns:reports campaigns:compare campaigns:heat "
            "campaigns:report_orders",
        ),
        Topic(
            "messages",
            _("Messages"),
            _(
                "Single messages with their outcome. Open one for its whole story: what was written, each "
                "attempt with the carrier’s answer, and what the person did."
            ),
            "campaigns:messages campaigns:campaign_messages campaigns:message campaigns:history",
        ),
        Topic(
            "why",
            _("Why did somebody get it, or not?"),
            _(
                "Search an address to see every campaign that considered this person, what became of the "
                "message, and the reason in words."
            ),
            "campaigns:why",
        ),
    ),
)
PEOPLE = Chapter(
    "people",
    _("People"),
    (
        Topic(
            "audiences",
            _("Audiences"),
            _(
                "Groups of people to send to. Make one by a rule that is counted anew each time, by a "
                "file, by combining others, or by letting people subscribe. One audience may serve many "
                "campaigns."
            ),
            "audiences:list audiences:detail audiences:settings audiences:delete audiences:why "
            "audiences:unreached campaigns:uses audiences:export_csv",
        ),
        Topic(
            "rule",
            _("Rules"),
            _(
                "Conditions on attributes, events, consent and what people did with earlier messages, in "
                "groups of “all” and “any”. The count is live, the rule reads as a sentence, and a sample "
                "shows whom it finds."
            ),
            "audiences:create audiences:edit",
        ),
        Topic(
            "composition",
            _("Composed and subscribed audiences"),
            _(
                "A composition joins, cuts and splits other audiences. A subscription has a public page "
                "where people sign up, confirmed by a second message if you wish."
            ),
            "audiences:compose audiences:recompose audiences:subscribe",
        ),
        Topic(
            "import",
            _("Import"),
            _(
                "A CSV or Excel file becomes people. Encoding and columns are guessed and shown; a dry "
                "run counts what would be new, changed or rejected before anything is written. A column can "
                "also be kept with the audience alone, for messages to it. You may leave the page; "
                "rejected lines can be downloaded with their reasons."
            ),
            "audiences:import audiences:import_status audiences:import_events",
        ),
        Topic(
            "profiles",
            _("Profiles"),
            _(
                "Everybody known: attributes, identities, consent with its history, and each message they "
                "got. Give people what is stored about them as a file, or erase them; an erased person is "
                "never brought back by an old file."
            ),
            "audiences:profiles audiences:profile audiences:profile_new audiences:profile_events "
            "audiences:export_people audiences:consents audiences:erase",
        ),
        Topic(
            "attributes",
            _("Attributes"),
            _(
                "What is known of people, with a type each. Only what is listed here is stored. Changing "
                "a type converts what is there, and says first what cannot be converted."
            ),
            "audiences:attributes audiences:attribute audiences:attribute_new audiences:attribute_remove",
        ),
        Topic(
            "topics",
            _("Topics"),
            _(
                "What people can agree to or leave by themselves, such as a newsletter. Marketing asks "
                "for the consent of its topic; the preference page lists the public ones."
            ),
            "audiences:topics audiences:topic audiences:topic_create",
        ),
        Topic(
            "suppression",
            _("Suppression"),
            _(
                "Addresses that get nothing, because they bounced, complained or were put here by hand. A "
                "campaign counts them as excluded. Take one off only where you know why it is there."
            ),
            "audiences:suppression audiences:suppression_remove",
        ),
    ),
)
CHANNELS = Chapter(
    "channels",
    _("Channels"),
    (
        Topic(
            "channels",
            _("Channel configurations"),
            _(
                "How messages leave: a channel, its provider with a secret, and as whom they are sent. "
                "Fill in the form and press “Test and activate”: you see the real dialogue, step by step. "
                "An active one is changed through a checked new version while the old one keeps sending."
            ),
            "channels:list channels:create channels:detail channels:edit channels:test",
        ),
        Topic(
            "domains",
            _("Sending domains"),
            _(
                "The DNS records that let you send as your domain: copy each to your DNS, then check. "
                "They are looked at again by themselves, and a warning appears when one is lost."
            ),
            "channels:domains channels:domain channels:domain_create channels:domain_delete",
        ),
        Topic(
            "limits",
            _("Pace and limits"),
            _(
                "How many messages a second may leave through a configuration and to single mail domains. "
                "All workers share the limit. It may be changed while a run is sending."
            ),
            "channels:limits",
        ),
        Topic(
            "rule-sets",
            _("Rule sets"),
            _(
                "At most so many messages to one person in a time, over all channels, and quiet hours in "
                "the person’s own zone. What falls into quiet hours waits or is dropped, as the rule "
                "says."
            ),
            "channels:rule_sets channels:rule_set channels:rule_set_create channels:rule_set_edit "
            "channels:rule_add channels:rule_edit",
        ),
        Topic(
            "warm-up",
            _("IP warm-up plans"),
            _(
                "A new sending address must earn its reputation: the plan says how much may leave each "
                "day to each group of mail domains. What is above waits for the next day."
            ),
            "channels:warmups channels:warmup channels:warmup_create channels:warmup_edit",
        ),
        Topic(
            "allowed",
            _("Allowed list"),
            _(
                "For trying things out safely: while it is switched on, only the addresses and domains "
                "listed here get anything at all."
            ),
            "channels:allowed",
        ),
        Topic(
            "addresses",
            _("Where addresses come from"),
            _(
                "A person may have more than one address: their work mail in an attribute of the type "
                "“email address”, a second number in one of the type “phone number”. Here is said which "
                "field comes first, for all or for one configuration, and which is taken where that one is "
                "empty."
            ),
            "audiences:addresses audiences:addresses_for",
        ),
        Topic(
            "seed-lists",
            _("Seed lists"),
            _(
                "Addresses of your own that get one copy of every variant of a run, to see how it "
                "arrives. No report counts them."
            ),
            "campaigns:seed_lists campaigns:seed_list campaigns:seed_list_create campaigns:seed_list_delete",
        ),
    ),
)
API = Chapter(
    "api",
    _("API"),
    (
        Topic(
            "campaign-api",
            _("Calling a campaign"),
            _(
                "A ready command with this campaign’s own variables, in several languages. Copy it, put "
                "in a credential, and send. Below it are the recent calls with their outcome; each can be "
                "looked at and called again."
            ),
            "campaigns:api campaigns:replay",
        ),
        Topic(
            "credentials",
            _("API credentials"),
            _(
                "A secret for one system, with a role of its own and a date it ends. It is shown once. To "
                "renew it without a gap, make a second secret, change the system over, then take the "
                "first away."
            ),
            "accounts:credentials",
        ),
        Topic(
            "feedback",
            _("Feedback webhooks"),
            _(
                "Carillon calls your system for each event you choose, signed, and tries again for three "
                "days. The log shows each delivery and can send it again."
            ),
            "campaigns:feedback campaigns:feedback_create campaigns:feedback_edit "
            "campaigns:feedback_endpoint",
        ),
        Topic(
            "reference",
            _("API reference"),
            _(
                "Every address with its fields and answers, to be tried from the page. What you call "
                "there is really done."
            ),
            "api_reference api_changelog",
        ),
    ),
)
ADMINISTRATION = Chapter(
    "administration",
    _("Administration"),
    (
        Topic(
            "administration",
            _("Administration"),
            _(
                "People and their roles, labels, policies and the log. Roles are given in the admin site; "
                "the person then gets an email that leads here. What a role allows is told on its own "
                "page."
            ),
            "accounts:administration accounts:role accounts:role_create accounts:role_delete",
        ),
        Topic(
            "doctor",
            _("State of the installation"),
            _(
                "What is wrong with this installation, or soon will be: parts that were not seen, work "
                "that is overdue, settings that are unsafe. Each finding says what to do about it."
            ),
            "doctor",
        ),
        Topic(
            "log",
            _("Audit log"),
            _("Who changed what and when. Nothing in it can be changed or removed."),
            "accounts:log",
        ),
    ),
)
CHAPTERS = (BEGINNING, CAMPAIGNS, APPROVAL, AFTERWARDS, PEOPLE, CHANNELS, API, ADMINISTRATION)


@cache
def by_page() -> dict[str, Topic]:
    return {page: topic for chapter in CHAPTERS for topic in chapter.topics for page in topic.pages.split()}


def topic_of(match: ResolverMatch | None) -> Topic | None:
    """The help that belongs to an address; None where there is no page of ours."""
    if match is None:
        return None
    tab = match.kwargs.get("tab")
    return by_page().get(f"{match.view_name}/{tab}" if tab else match.view_name)
