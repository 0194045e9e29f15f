"""Single faults in the ready/valid logic of the kernels, each one edit of a module's text."""

from dataclasses import dataclass

# The small network of `test_mutants.py` that uses a module's logic, where it is not the first one.
_NETWORKS = {
    "stream_fork": "residual",
    "stream_last": "residual",
    "add": "residual",
    "integer_mvu": "conv",
    "line_buffer": "conv",
    "pool": "conv",
    "pool_window": "conv",
    "concat": "branches",
}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One edit.

    Attributes:
        module: whose text is edited.
        old: a piece that occurs once.
        new: what stands in its place.
        fault: what goes wrong.
        network: that uses what is edited.
    """

    module: str
    old: str
    new: str
    fault: str
    network: str

    def __str__(self) -> str:
        return f"{self.module}: {self.fault}"

    def applied(self, text: str) -> str:
        """The module's text with the fault."""
        assert text.count(self.old) == 1, (
            f"{self.module}: {self.old!r} occurs {text.count(self.old)} times"
        )
        return text.replace(self.old, self.new)


def _of(
    module: str, *edits: tuple[str, str, str], network: str | None = None
) -> tuple[Mutant, ...]:
    return tuple(
        Mutant(
            module=module,
            old=old,
            new=new,
            fault=fault,
            network=network or _NETWORKS.get(module, "mlp"),
        )
        for old, new, fault in edits
    )


MUTANTS = (
    *_of(
        "stream_fifo",
        ("= in_valid_i & ~full_q", "= in_valid_i", "takes a word when it is full"),
        ("= out_ready_i & out_valid_o", "= out_ready_i", "gives a word when it is empty"),
        ("in_ready_o = ~full_q", "in_ready_o = 1'b1", "is ready when it is full"),
        (
            "full_q  <= ~pop & (full_q | (push & ~empty_q))",
            "full_q  <= ~pop & (push & ~empty_q)",
            "of two words: full for a cycle only",
        ),
        (
            "empty_q <= ~push & (empty_q | (pop & ~full_q))",
            "empty_q <= ~push & (empty_q | pop)",
            "of two words: empty after the first of two",
        ),
        (
            "head_q <= full_q ? tail_q : in_data_i",
            "head_q <= in_data_i",
            "of two words: forgets the second one",
        ),
        (
            "if (pop || empty_q) head_q",
            "if (pop || !full_q) head_q",
            "of two words: the head changes while it waits",
        ),
        (
            "if (push) tail_q",
            "if (in_valid_i) tail_q",
            "of two words: the tail changes when it is full",
        ),
        ("push & (next_write_q == read_q)", "1'b0", "is never full"),
        ("take & (next_read_q == write_q)", "1'b0", "is never empty again"),
        (
            "(posedge clk_i) if (push) memory",
            "(posedge clk_i) if (in_valid_i) memory",
            "the head changes when it is full",
        ),
        ("if (take) begin", "if (out_ready_i) begin", "the read pointer moves without a word"),
        ("if (push) begin", "if (in_valid_i) begin", "the write pointer moves without room"),
        ("if (push != take)", "if (push)", "forgets that a word left"),
    ),
    *_of(
        "stream_fork",
        (
            "done0_q <= taken0 & ~taken1",
            "done0_q <= out0_ready_i & ~taken1",
            "forgets in the second cycle who has the word",
        ),
        ("out0_valid_o = in_valid_i & ~done0_q", "out0_valid_o = in_valid_i", "delivers twice"),
        ("out1_valid_o = in_valid_i & ~done1_q", "out1_valid_o = in_valid_i", "delivers twice"),
        ("in_ready_o = taken0 & taken1", "in_ready_o = taken0 | taken1", "delivers to one only"),
        ("in_ready_o = taken0 & taken1", "in_ready_o = taken0", "does not wait for the other"),
        ("taken1     = done1_q | out1_ready_i", "taken1     = out1_ready_i", "asks twice"),
        ("end else if (in_valid_i) begin", "end else begin", "delivers what has not come"),
    ),
    *_of(
        "stream_width_converter",
        ("take        = in_ready_o & in_valid_i", "take        = in_valid_i", "takes without room"),
        ("pop         = out_valid_q & out_ready_i", "pop         = out_valid_q", "gives unasked"),
        ("(out_ready_i & ~two_q)", "out_ready_i", "takes one beat too many"),
        ("~out_valid_q | (out_ready_i & ~two_q)", "1'b1", "is always ready"),
        ("      out_valid_q <= two_q", "      out_valid_q <= 1'b1", "gives the last beat twice"),
    ),
    *_of(
        "stream_width_converter",
        (".step_i(take)", ".step_i(in_ready_o)", "counts beats that have not come"),
        (".step_i(take)", ".step_i(in_valid_i)", "counts beats that it has not taken"),
        ("|comes || ends || (MOVES && pop)", "1'b1", "keeps no partial beat"),
        network="wide",
    ),
    *_of(
        "mvu_fold",
        ("step       = en_i & (in_valid_i", "step       = (in_valid_i", "steps while stopped"),
        ("in_ready_o = en_i & first_fold", "in_ready_o = first_fold", "is ready while stopped"),
        (
            "if (en_i) x_q <= first_fold",
            "x_q <= first_fold",
            "the vector's word changes while stopped",
        ),
        ("else if (step) word_q", "else if (en_i) word_q", "counts words that have not come"),
        ("else if (step) addr_q", "else if (en_i) addr_q", "weights of words that have not come"),
        ("if (en_i) fold_q <= addr_q", "fold_q <= addr_q", "the weights change while stopped"),
        (
            "else if (step && last_word) first_fold_q",
            "else if (last_word) first_fold_q",
            "replays before the last word has come",
        ),
    ),
    *_of(
        "mvu_fold",
        (
            "end else if (en_i) begin\n        valid_qq",
            "end else begin\n        valid_qq",
            "loses a word while stopped",
        ),
        network="wide",
    ),
    *_of(
        "result_stage",
        (
            "= (en_o & final_valid) | (out_valid_q & ~out_ready_i)",
            "= en_o & final_valid",
            "the result is not held",
        ),
        ("(en_o & final_valid) |", "final_valid |", "the result comes twice"),
        ("~((en_q ? final_next : final_valid)", "~((final_valid)", "stops a cycle too late"),
        ("if (en_o && done_i) total_q", "if (done_i) total_q", "the total changes while stopped"),
        (
            "if (en_o && compared_valid) out_q[p] ",
            "if (compared_valid) out_q[p] ",
            "the bit changes while it waits",
        ),
        ("else if (en_o) total_valid_q", "else total_valid_q", "loses a total while stopped"),
    ),
    *_of(
        "result_stage",
        (
            "assign en_o = ~(final_valid & out_valid_q & ~out_ready_i)",
            "assign en_o = 1'b1",
            "never stops",
        ),
        (
            "else if (en_o && done_i) fold_q",
            "else if (done_i) fold_q",
            "thresholds move on while stopped",
        ),
        network="conv",
    ),
    *_of(
        "xnor_mvu",
        ("end else if (en) begin", "end else begin", "the pipeline moves while stopped"),
        (
            "(en && done_q[LATENCY])) acc_q",
            "done_q[LATENCY]) acc_q",
            "the accumulator is cleared while stopped",
        ),
        (
            "else if (en && valid_q[LATENCY]) acc_q",
            "else if (valid_q[LATENCY]) acc_q",
            "a step counts twice while stopped",
        ),
        network="conv",
    ),
    *_of(
        "integer_mvu",
        ("end else if (en) begin", "end else begin", "the pipeline moves while stopped"),
        (
            "else if (en && valid_q[LATENCY]) acc_q",
            "else if (valid_q[LATENCY]) acc_q",
            "a step counts twice while stopped",
        ),
    ),
    *_of(
        "line_buffer",
        ("in_ready_o = ~space_q[CREDIT_BITS-1]", "in_ready_o = 1'b1", "is ready when it is full"),
        (
            "write      = in_valid_i & in_ready_o",
            "write      = in_valid_i",
            "writes when it is full",
        ),
        ("| ~ahead_q[CREDIT_BITS-1])", "| 1'b1)", "reads words that have not come"),
        ("en          = ~valid_q | out_ready_i", "en          = 1'b1", "never stops"),
        (
            "space_q <= CREDIT_BITS'(CAPACITY - START - 1)",
            "space_q <= CREDIT_BITS'(CAPACITY - START)",
            "takes one word too many",
        ),
        ("ahead_q <= '1;", "ahead_q <= '0;", "reads a word too early"),
        ("else if (en) valid_q <= step", "else valid_q <= step", "in LUTs: a word is not held"),
        (
            "if (en) begin\n        data_q <= memory[read_q]",
            "begin\n        data_q <= memory[read_q]",
            "in LUTs: the word changes while it waits",
        ),
        (
            "end else if (en) begin\n        read_valid_q",
            "end else begin\n        read_valid_q",
            "in block RAM: a word is not held",
        ),
    ),
    *_of(
        "pool",
        (
            "in_ready_o = ~(complete & out_valid_q & ~out_ready_i)",
            "in_ready_o = 1'b1",
            "never stops",
        ),
        (
            "out_valid_q <= (take & complete) | (out_valid_q & ~out_ready_i)",
            "out_valid_q <= (take & complete)",
            "the result is not held",
        ),
        ("if (take && complete) out_q", "if (complete) out_q", "the result changes while it waits"),
        ("take       = in_valid_i & in_ready_o", "take       = in_valid_i", "takes without room"),
    ),
    *_of(
        "pool_window",
        ("ready  = ~(last & out_valid_q & ~out_ready_i)", "ready  = 1'b1", "never stops"),
        ("if (take && last) out_q", "if (last) out_q", "the result changes while it waits"),
        (".step_i(take)", ".step_i(valid)", "counts taps that it has not taken"),
    ),
    *_of(
        "add",
        ("a_ready_o   = en & b_valid_i", "a_ready_o   = en", "takes a without b"),
        ("b_ready_o   = en & a_valid_i", "b_ready_o   = en", "takes b without a"),
        ("<= a_valid_i & b_valid_i", "<= a_valid_i | b_valid_i", "adds what has not come"),
        ("if (en) sum_q", "sum_q", "the sum changes while it waits"),
        ("en          = ~out_valid_q | out_ready_i", "en          = 1'b1", "never stops"),
    ),
    *_of(
        "concat",
        ("b_ready_o   = en & from_b", "b_ready_o   = en", "takes b out of turn"),
        ("if (valid) word_q", "word_q", "counts words that have not come"),
        ("if (en) out_q", "out_q", "the word changes while it waits"),
    ),
    *_of(
        "stream_last",
        ("else if (valid_i && ready_i) beat_q", "else if (valid_i) beat_q", "the mark moves early"),
        (
            "else if (valid_i && ready_i) beat_q",
            "else if (ready_i) beat_q",
            "the mark moves unasked",
        ),
        ("BEAT_BITS'(Beats - 1)", "BEAT_BITS'(Beats - 2)", "the mark is on the beat before"),
    ),
    *_of(
        "arg_max",
        ("en     = ~(valid & last & out_valid_q & ~out_ready_i)", "en     = 1'b1", "never stops"),
        ("if (en && valid) beat_q", "if (valid) beat_q", "counts a beat twice while stopped"),
        (
            "out_valid_q <= (valid & last) | (out_valid_q & ~out_ready_i)",
            "out_valid_q <= (valid & last)",
            "the class is not held",
        ),
    ),
)

# Results, order and the stream contract stay the same with these: what they cost is throughput, or
# nothing.
EQUIVALENT = (
    *_of(
        "stream_fifo",
        ("push & (next_write_q == read_q)", "push & (write_q == read_q)", "is full with one word"),
    ),
    *_of(
        "stream_width_converter",
        (
            "~out_valid_q | (out_ready_i & ~two_q)",
            "~out_valid_q",
            "takes no beat in the cycle in which it gives one",
        ),
    ),
    *_of(
        "mvu_fold",
        (
            "if (step && first_fold) replay[word_q] <= in_data_i;\n          if (en_i) x_q",
            "if (first_fold) replay[word_q] <= in_data_i;\n          if (en_i) x_q",
            "writes a word's place before the word has come, and then the word",
        ),
    ),
    *_of(
        "result_stage",
        (
            "en_o = ~(final_valid & out_valid_q & ~out_ready_i)",
            "en_o = ~(final_valid & out_valid_q)",
            "stops for a cycle without need",
        ),
        network="conv",
    ),
    *_of(
        "line_buffer",
        (
            "en          = ~valid_q | out_ready_i",
            "en          = out_ready_i",
            "waits for its consumer before it has a word",
        ),
    ),
)

# Two that every run of the tests tries: stalls at both ends let them pass.
SAMPLE = tuple(
    mutant
    for mutant in MUTANTS
    if str(mutant)
    in (
        "stream_fifo: of two words: the tail changes when it is full",
        "mvu_fold: the weights change while stopped",
    )
)
