import subprocess
import sys

from facemask_edge.cli import main

FAULTS = """
import resource
from facemask_edge.call_stack import with_room_for_calls

# Its frame is larger than those of the depths, so that at one of them the rest of a chunk is too small for it.
called = eval("lambda " + ", ".join(f"local_{number}=0" for number in range(60)) + ": None")

def faults_at(depth):
    if depth:
        return faults_at(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(1000):
        called()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def most_faults():
    return max(faults_at(depth) for depth in range(600))

print(with_room_for_calls(most_faults)())
"""
"""Of memory that the system gave, and that is touched for the first time: the most at any of 600 depths."""


def test_no_depth_of_calls_makes_each_call_ask_for_memory() -> None:
    printed = subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True).stdout
    # A thousand calls at each depth; without room, two faults a call at the worst one.
    assert int(printed) < 100


def test_the_command_line_has_such_room() -> None:
    assert main.__code__.co_stacksize > 10_000
