"""The context of a job, and descriptions of failures."""

import errno

import pytest

from speech.errors import AudioError, WorkCancelled
from toolbox.jobs.context import JobContext, describe_failure


def test_a_job_reports_progress_and_chunks():
    reported = []
    context = JobContext(lambda kind, value: reported.append((kind, value)))
    context.progress("Reading", True, 3)
    context.chunk("audio")
    assert reported == [("progress", ("Reading", 1, 3)), ("chunk", "audio")]
    silent = JobContext()
    silent.progress("Reading", 1, 3)
    silent.chunk(1)


def test_a_job_notices_that_it_is_cancelled():
    context = JobContext()
    context.check()
    context.cancel()
    assert context.cancelled()
    with pytest.raises(WorkCancelled):
        context.check()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AudioError("The clip is silent:\nrecord it again."), "The clip is silent: record it again."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full: free some space and try again."),
        (ValueError("shapes (3,) and (4,)"), "(ValueError): this is a bug in the program"),
        (SystemExit(3), "(SystemExit): this is a bug"),
    ],
)
def test_a_failure_is_described_by_a_sentence_and_details(error, words):
    try:
        raise error
    except BaseException as raised:
        sentence, details = describe_failure(raised)
    assert words in sentence and "\n" not in sentence
    assert "Traceback" in details and __file__ in details
