"""Gated recurrent unit (reset before the product): forward and backward pass over a sequence, in NumPy.

made by symrnn 0.1.0 from gru (61086bfe354b), do not edit.

Source: Cho et al. 2014, arXiv:1406.1078v3

The step (a bare state is its value at t-1, .next the one at t):

    r = sigmoid(W_r @ [c, x] + b_r)
    u = sigmoid(W_u @ [c, x] + b_u)
    c_tilde = tanh(W_c @ [r * c, x] + b_c)
    c.next = u * c_tilde + (1 - u) * c

The output is c.next. Arrays carry time T first, then the batch B.
The minimal contract: arrays are not checked. The full one checks, pads, streams and reuses memory.
"""

from typing import NamedTuple

import numpy as np


class Inputs(NamedTuple):  # what arrives over time
    x: np.ndarray  # (T, B, n)


class State(NamedTuple):  # what is carried from step to step
    c: np.ndarray  # (B, m)


class Parameters(NamedTuple):  # what is trained
    W_r: np.ndarray  # (m, m + n)
    b_r: np.ndarray  # (m,)
    W_u: np.ndarray  # (m, m + n)
    b_u: np.ndarray  # (m,)
    W_c: np.ndarray  # (m, m + n)
    b_c: np.ndarray  # (m,)


class Run(NamedTuple):  # what `forward` returns: outputs (T, B, ...), the final state, and what `backward` needs
    outputs: np.ndarray
    state: State
    tape: tuple


class Gradients(NamedTuple):  # what `backward` returns: derivatives of the loss
    parameters: Parameters
    inputs: Inputs
    state: State


def _sigmoid(x):
    """The logistic function, without overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def forward(parameters, inputs, state=None):
    """All steps, from a state or from zeros."""
    W_r, b_r, W_u, b_u, W_c, b_c = parameters
    x, = inputs if isinstance(inputs, Inputs) else (inputs,)
    T, B = x.shape[:2]
    m = W_r.shape[0]
    n = W_r.shape[1] - m
    dtype = W_r.dtype
    c = np.empty((T + 1, B, m), dtype)
    c_x = np.empty((T, B, m + n), dtype)
    r = np.empty((T, B, m), dtype)
    u = np.empty((T, B, m), dtype)
    c_r_x = np.empty((T, B, m + n), dtype)
    c_tilde = np.empty((T, B, m), dtype)
    c[0], = (0,) if state is None else state
    c_next = c[1:]
    for t in range(T):
        # (1) r = sigmoid(W_r @ [c, x] + b_r)
        c_x[t] = np.concatenate([c[t], x[t]], axis=1)
        a_r = c_x[t] @ W_r.T
        a_r += b_r
        r[t] = _sigmoid(a_r)
        # (2) u = sigmoid(W_u @ [c, x] + b_u)
        a_u = c_x[t] @ W_u.T
        a_u += b_u
        u[t] = _sigmoid(a_u)
        # (3) c_tilde = tanh(W_c @ [r * c, x] + b_c)
        c_r = r[t] * c[t]
        c_r_x[t] = np.concatenate([c_r, x[t]], axis=1)
        a_c_tilde = c_r_x[t] @ W_c.T
        a_c_tilde += b_c
        c_tilde[t] = np.tanh(a_c_tilde)
        # (4) c.next = u * c_tilde + (1 - u) * c
        c_next[t] = u[t] * c_tilde[t] + (1 - u[t]) * c[t]
    return Run(c_next, State(c[-1]), (n, m, dtype, x, c, c_x, r, u, c_r_x, c_tilde))


def backward(parameters, tape, d_outputs, d_state=None):
    """All steps back: d_outputs and d_state are the derivatives of the loss by the outputs and the final state."""
    W_r, b_r, W_u, b_u, W_c, b_c = parameters
    n, m, dtype, x, c, c_x, r, u, c_r_x, c_tilde = tape
    T, B = x.shape[:2]
    d_c_output = d_outputs
    d_c_later, = (np.zeros((B, m), dtype),) if d_state is None else (array.copy() for array in d_state)
    d_c_r_x = np.empty((B, m + n), dtype)
    d_c_x = np.empty((B, m + n), dtype)
    d_x = np.empty((T, B, n), dtype)
    d_c_r_x_part = d_c_r_x[:, :m]
    d_c_x_part = d_c_x[:, :m]
    d_c_r_x_part_2 = d_c_r_x[:, m:]
    d_c_x_part_2 = d_c_x[:, m:]
    d_W_r = np.zeros((m, m + n), dtype)
    d_b_r = np.zeros((m,), dtype)
    d_W_u = np.zeros((m, m + n), dtype)
    d_b_u = np.zeros((m,), dtype)
    d_W_c = np.zeros((m, m + n), dtype)
    d_b_c = np.zeros((m,), dtype)
    for t in reversed(range(T)):
        # d_c_next from what step t + 1 hands back; the output's cotangent
        d_c_next = d_c_later + d_c_output[t]
        # d_c_tilde from c.next = u * c_tilde + (1 - u) * c
        d_c_tilde = d_c_next * u[t]
        # d_a_c_tilde from c_tilde = tanh(a_c_tilde)
        d_a_c_tilde = d_c_tilde * (1 - c_tilde[t] * c_tilde[t])
        d_c_r_x[...] = d_a_c_tilde @ W_c
        d_c_r = d_c_r_x_part.copy()
        # d_u from c.next = u * c_tilde + (1 - u) * c
        d_u = d_c_next * (c_tilde[t] - c[t])
        # d_a_u from u = sigmoid(a_u)
        d_a_u = d_u * u[t] * (1 - u[t])
        # d_r from c_r = r * c
        d_r = d_c_r * c[t]
        # d_a_r from r = sigmoid(a_r)
        d_a_r = d_r * r[t] * (1 - r[t])
        d_c_x[...] = d_a_u @ W_u
        d_c_x += d_a_r @ W_r
        d_c = d_c_r * r[t] + d_c_next * (1 - u[t]) + d_c_x_part
        d_x[t] = d_c_r_x_part_2 + d_c_x_part_2
        d_W_r += d_a_r.T @ c_x[t]
        d_b_r += d_a_r.sum(axis=0)
        d_W_u += d_a_u.T @ c_x[t]
        d_b_u += d_a_u.sum(axis=0)
        d_W_c += d_a_c_tilde.T @ c_r_x[t]
        d_b_c += d_a_c_tilde.sum(axis=0)
        d_c_later = d_c
    return Gradients(Parameters(d_W_r, d_b_r, d_W_u, d_b_u, d_W_c, d_b_c), Inputs(d_x), State(d_c_later))


def step(parameters, inputs, state=None):
    """One step: the output (B, ...) and the state after it."""
    x, = inputs if isinstance(inputs, Inputs) else (inputs,)
    run = forward(parameters, Inputs(x[None]), state)
    return run.outputs[0], run.state
