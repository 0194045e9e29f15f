// Drives a module with any number of AXI4-Streams, cycle by cycle, for `simulation.py`.
// Its ports come as macros: BNNEDGE_CLOCK, BNNEDGE_RESET, lists of AXIS(name, tvalid, tready, tdata)
// called BNNEDGE_INPUTS and BNNEDGE_OUTPUTS, and BNNEDGE_TIED, a list of TIED(input that stays 0).
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "Vmodel.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

namespace {

// The numbers are known to simulation.py (`_Status`).
enum Status : int32_t {
    RUNNING = 0,
    FINISHED = 1,
    VALID_DROPPED = 2,
    DATA_CHANGED = 3,
    STUCK = 4,
    EXTRA_BEAT = 5,
    DESIGN_FAILED = 6,
};

constexpr int RESET_CYCLES = 16;  // as many as FINN's own harness

// Mirrored field by field by simulation.py.
struct Beats {
    uint8_t* data;  // as wide as the port
    int64_t count;
    int64_t done;
};

struct Port {
    const char* name;
    CData* valid;
    CData* ready;
    void* data;
    int64_t bytes;
    std::mt19937_64 random;
    bool valid_now = false;  // an input's beat is offered; an output's has not been taken
    std::vector<uint8_t> held{};
};

class Simulation {
public:
    Simulation(const char* data_folder, const char* trace_file, uint64_t seed, double stall_in,
               double stall_out)
        : stall_in_{stall_in}, stall_out_{stall_out} {
        bnnedge::clear_messages();
        bnnedge::set_data_folder(data_folder);
        context_.randReset(2);  // registers start with random values
        context_.randSeed(static_cast<int>(seed & 0x7fffffff) + 1);
#if VM_TRACE_FST
        context_.traceEverOn(true);
#endif
        model_ = std::make_unique<Vmodel>(&context_);
        Vmodel& m = *model_;
#define AXIS(name, tvalid, tready, tdata)                            \
    ports.push_back({#name, &m.tvalid, &m.tready, &m.tdata, sizeof m.tdata, \
                     std::mt19937_64{seed * 1000 + ++streams}});
        uint64_t streams = 0;
        {
            auto& ports = inputs;
            BNNEDGE_INPUTS
        }
        {
            auto& ports = outputs;
            BNNEDGE_OUTPUTS
        }
#define TIED(port) std::memset(&m.port, 0, sizeof m.port);
        BNNEDGE_TIED
#if VM_TRACE_FST
        if (trace_file != nullptr) {
            trace_ = std::make_unique<VerilatedFstC>();
            m.trace(trace_.get(), 99);
            trace_->open(trace_file);
        }
#else
        (void)trace_file;
#endif
        reset();
    }

    ~Simulation() {
        model_->final();
#if VM_TRACE_FST
        if (trace_) trace_->close();
#endif
    }

    void reset() {
        Verilated::threadContextp(&context_);
        model_->BNNEDGE_RESET = 0;
        for (Port& port : inputs) {
            *port.valid = 0;
            std::memset(port.data, 0, port.bytes);
            port.valid_now = false;
        }
        for (Port& port : outputs) {
            *port.ready = 0;
            port.valid_now = false;
        }
        for (int cycle = 0; cycle < RESET_CYCLES; ++cycle) {
            edge(0);
            edge(1);
        }
        model_->BNNEDGE_RESET = 1;
    }

    // To be run until all beats have passed.
    void begin(Beats* in, Beats* out, int64_t watchdog_cycles) {
        in_ = in;
        out_ = out;
        watchdog_cycles_ = watchdog_cycles;
        listening_ = false;
        idle_ = longest_silence_ = last_ = cycles_ = 0;
    }

    // To be run for twice the longest silence that there was between beats, without any beat.
    void listen(Beats* none_in, Beats* none_out) {
        in_ = none_in;
        out_ = none_out;
        listening_ = true;
        idle_ = 0;
    }

    // Simulates for about `seconds`, so that the caller can look at its signals in between.
    Status run(double seconds) {
        using Clock = std::chrono::steady_clock;
        const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
        Verilated::threadContextp(&context_);
        Status status = RUNNING;
        while (status == RUNNING) {
            for (int i = 0; i < 256 && status == RUNNING; ++i) status = cycle();
            if (Clock::now() > deadline) break;
        }
        return status;
    }

    // Clock cycles of this run until the last handshake, and the output that broke the protocol.
    int64_t cycles() const { return last_; }
    int64_t culprit() const { return culprit_; }

    std::vector<Port> inputs, outputs;

private:
    void edge(int clock) {
        model_->BNNEDGE_CLOCK = clock;
        model_->eval();
#if VM_TRACE_FST
        if (trace_) trace_->dump(time_);
#endif
        time_ += 5;
    }

    static bool chance(Port& port, double probability) {
        return static_cast<double>(port.random() >> 11) * 0x1p-53 < probability;
    }

    Status cycle() {
        // Valid, once raised, stays until the beat is taken; ready may fall at any time.
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            Port& port = inputs[i];
            if (!port.valid_now && in_[i].done < in_[i].count && !chance(port, stall_in_)) {
                port.valid_now = true;
                std::memcpy(port.data, in_[i].data + in_[i].done * port.bytes, port.bytes);
            }
            *port.valid = port.valid_now;
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            *outputs[i].ready = out_[i].done < out_[i].count && !chance(outputs[i], stall_out_);
        }
        edge(0);
        if (context_.gotFinish()) return DESIGN_FAILED;

        bool progress = false;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (!inputs[i].valid_now || !*inputs[i].ready) continue;
            inputs[i].valid_now = false;
            ++in_[i].done;
            progress = true;
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            Port& port = outputs[i];
            culprit_ = static_cast<int64_t>(i);
            if (port.valid_now) {
                if (!*port.valid) return VALID_DROPPED;
                if (std::memcmp(port.held.data(), port.data, port.bytes) != 0) return DATA_CHANGED;
            }
            port.valid_now = *port.valid && !*port.ready;
            if (port.valid_now) {
                const auto* data = static_cast<const uint8_t*>(port.data);
                port.held.assign(data, data + port.bytes);
            }
            if (listening_ && *port.valid) return EXTRA_BEAT;
            if (!*port.valid || !*port.ready) continue;
            std::memcpy(out_[i].data + out_[i].done++ * port.bytes, port.data, port.bytes);
            progress = true;
        }
        edge(1);
        if (context_.gotFinish()) return DESIGN_FAILED;
        ++cycles_;
        return judge(progress);
    }

    Status judge(bool progress) {
        if (progress) {
            if (idle_ > longest_silence_) longest_silence_ = idle_;
            idle_ = 0;
            last_ = cycles_;
            return RUNNING;
        }
        ++idle_;
        if (listening_) return idle_ > 2 * longest_silence_ + 64 ? FINISHED : RUNNING;
        bool done = true;
        for (std::size_t i = 0; i < inputs.size(); ++i) done &= in_[i].done == in_[i].count;
        for (std::size_t i = 0; i < outputs.size(); ++i) done &= out_[i].done == out_[i].count;
        if (done) return FINISHED;
        return idle_ >= watchdog_cycles_ ? STUCK : RUNNING;
    }

    VerilatedContext context_;
    std::unique_ptr<Vmodel> model_;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> trace_;
#endif
    double stall_in_, stall_out_;
    Beats* in_ = nullptr;
    Beats* out_ = nullptr;
    int64_t watchdog_cycles_ = 0;
    bool listening_ = false;
    int64_t idle_ = 0;
    int64_t longest_silence_ = 0;
    int64_t cycles_ = 0;
    int64_t last_ = 0;
    int64_t culprit_ = 0;
    uint64_t time_ = 0;
};

std::vector<Port>& ports(Simulation* simulation, int32_t outputs) {
    return outputs ? simulation->outputs : simulation->inputs;
}

}  // namespace

BNNEDGE_EXPORT Simulation* axis_create(const char* data_folder, const char* trace, uint64_t seed,
                                       double stall_in, double stall_out) {
    return new Simulation(data_folder, trace, seed, stall_in, stall_out);
}
BNNEDGE_EXPORT void axis_destroy(Simulation* simulation) { delete simulation; }
BNNEDGE_EXPORT void axis_reset(Simulation* simulation) { simulation->reset(); }
BNNEDGE_EXPORT int64_t axis_count(Simulation* simulation, int32_t outputs) {
    return static_cast<int64_t>(ports(simulation, outputs).size());
}
BNNEDGE_EXPORT const char* axis_name(Simulation* simulation, int32_t outputs, int64_t index) {
    return ports(simulation, outputs)[index].name;
}
BNNEDGE_EXPORT int64_t axis_bytes(Simulation* simulation, int32_t outputs, int64_t index) {
    return ports(simulation, outputs)[index].bytes;
}
BNNEDGE_EXPORT void axis_begin(Simulation* simulation, Beats* in, Beats* out, int64_t watchdog) {
    simulation->begin(in, out, watchdog);
}
BNNEDGE_EXPORT void axis_listen(Simulation* simulation, Beats* in, Beats* out) {
    simulation->listen(in, out);
}
BNNEDGE_EXPORT int32_t axis_run(Simulation* simulation, double seconds) {
    return simulation->run(seconds);
}
BNNEDGE_EXPORT int64_t axis_cycles(Simulation* simulation) { return simulation->cycles(); }
BNNEDGE_EXPORT int64_t axis_culprit(Simulation* simulation) { return simulation->culprit(); }
BNNEDGE_EXPORT const char* axis_messages() { return bnnedge::messages().c_str(); }
