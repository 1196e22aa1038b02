"""The notebook's students and training loop in PyTorch, written from its specification: the measure of parity.

The BiLSTM is not the notebook's; it stands here as PyTorch users would write it.

Everything here is as plain as the notebook: dense gradients, whole padded rows, one step at a time.
"""

import contextlib
import copy
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, f1_score
from torch import nn

from padded import padded

EVAL_BATCH = 32


class TorchCnn(nn.Module):
    """Kim's CNN: the pad row starts at zero and is trained like any other."""

    def __init__(self, vocab_size, num_labels, pad_id=0, embedding_dim=50, dropout=0.5, filters=100, heights=(3, 4, 5)):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        with torch.no_grad():
            self.embedding.weight[pad_id] = 0
        self.heights = len(heights)
        for index, height in enumerate(heights):
            setattr(self, f"conv{index}", nn.Conv2d(1, filters, (height, embedding_dim)))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(filters * len(heights), num_labels)

    def forward(self, input_ids):
        embedded = self.embedding(input_ids).unsqueeze(1)  # [batch, 1, length, dim]
        pooled = []
        for index in range(self.heights):
            responses = F.relu(getattr(self, f"conv{index}")(embedded)).squeeze(3)
            pooled.append(F.max_pool1d(responses, responses.shape[2]).squeeze(2))
        return self.fc(self.dropout(torch.cat(pooled, dim=1)))


class TorchFastText(nn.Module):
    """The linear student: the mean over all positions, pads included; the pad row is zero and frozen."""

    def __init__(self, vocab_size, num_labels, pad_id=0, embedding_dim=50):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_id)
        nn.init.uniform_(self.embeddings.weight, 0, 1 / embedding_dim)
        with torch.no_grad():
            self.embeddings.weight[pad_id] = 0
        self.output = nn.Linear(embedding_dim, num_labels)
        nn.init.zeros_(self.output.weight)

    def forward(self, input_ids):
        return self.output(self.embeddings(input_ids).mean(dim=1))


class TorchBiLstm(nn.Module):
    """Tang's BiLSTM (2019) on packed sequences: the LSTM reads real tokens alone; an empty text's features are zero."""

    def __init__(
        self, vocab_size, num_labels, pad_id=0, embedding_dim=50, dropout=0.5, hidden=150, dense=200, states="max"
    ):
        super().__init__()
        self.pad_id, self.states = pad_id, states
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        with torch.no_grad():
            self.embedding.weight[pad_id] = 0
        self.lstm = nn.LSTM(embedding_dim, hidden, bidirectional=True, batch_first=True)
        self.dense = nn.Linear(2 * hidden, dense)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(dense, num_labels)

    def forward(self, input_ids):
        positions = torch.arange(1, input_ids.shape[1] + 1)
        lengths = torch.where(input_ids != self.pad_id, positions, 0).amax(dim=1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(input_ids), lengths.clamp(min=1), batch_first=True, enforce_sorted=False
        )
        outputs, (last, _) = self.lstm(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, padding_value=-torch.inf)
        features = outputs.max(dim=1).values if self.states == "max" else torch.cat([last[0], last[1]], dim=1)
        features = torch.where(lengths[:, None] > 0, features, 0)
        return self.fc(self.dropout(F.relu(self.dense(features))))


def build_reference(
    name, *, vocab_size, num_labels, pad_id=0, embedding_dim=50, dropout=0.5, dtype=torch.float32, **options
):
    """Return a reference student with newly drawn weights; seed torch before."""
    if name == "cnn":
        model = TorchCnn(vocab_size, num_labels, pad_id, embedding_dim, dropout)
    elif name == "bilstm":
        model = TorchBiLstm(vocab_size, num_labels, pad_id, embedding_dim, dropout, **options)
    else:
        model = TorchFastText(vocab_size, num_labels, pad_id, embedding_dim)
    return model.to(dtype)


def state_arrays(model):
    """Return copies of a model's weights: torch name → NumPy array."""
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}


def load_arrays(model, state):
    """Load weights from NumPy arrays into a model, in place."""
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
    return model


def batch_loss(logits, labels, teacher_logits, *, distil):
    """Return the notebook's loss of a batch: cross-entropy, or the mean squared error over batch and classes."""
    return F.mse_loss(logits, teacher_logits) if distil else F.cross_entropy(logits, labels)


def make_optimizer(name, parameters):
    """Return (optimiser, schedule, batch size) of a student."""
    if name in ("cnn", "bilstm"):
        optimizer = torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=1.0), 32
    optimizer = torch.optim.SGD(parameters, lr=0.5)
    return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5), 1


@contextlib.contextmanager
def one_thread():
    """Run torch on one thread: on steps this small its threads cost ten times what they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def train_reference(
    name,
    model,
    train,
    test,
    *,
    distil,
    epochs,
    after_step: Callable = lambda _: None,
):
    """Train a copy of ``model`` as the notebook does; return (the trained copy, a history row an epoch).

    ``train`` and ``test`` are ``Examples``;
    ``after_step`` is called with the model after every step.
    """
    model = copy.deepcopy(model)
    dtype = next(model.parameters()).dtype
    optimizer, schedule, batch_size = make_optimizer(name, model.parameters())
    input_ids, labels = torch.from_numpy(padded(train)).long(), torch.from_numpy(train.labels).long()
    teacher_logits = None if train.teacher_logits is None else torch.from_numpy(train.teacher_logits).to(dtype)
    history = []
    for epoch in range(epochs):
        model.train()
        losses, predictions = [], []
        for start in range(0, len(labels), batch_size):
            rows = slice(start, start + batch_size)
            optimizer.zero_grad()
            logits = model(input_ids[rows])
            targets = None if teacher_logits is None else teacher_logits[rows]
            loss = batch_loss(logits, labels[rows], targets, distil=distil)
            loss.backward()
            optimizer.step()
            after_step(model)
            losses.append(loss.item())
            predictions.append(logits.detach().argmax(dim=1).numpy())
        schedule.step()
        row = {"epoch": epoch, "train_loss": float(np.mean(losses))}
        row |= scores("train", train.labels, np.concatenate(predictions))
        history.append(row | evaluate_reference(model, test))
    return model, history


@one_thread()
def evaluate_reference(model, test):
    """Return the test columns: cross-entropy as the mean over batches of 32, accuracy and macro F1 over all rows."""
    model.eval()
    input_ids, labels = torch.from_numpy(padded(test)).long(), torch.from_numpy(test.labels).long()
    losses, predictions = [], []
    with torch.no_grad():
        for start in range(0, len(labels), EVAL_BATCH):
            logits = model(input_ids[start : start + EVAL_BATCH])
            losses.append(F.cross_entropy(logits, labels[start : start + EVAL_BATCH]).item())
            predictions.append(logits.argmax(dim=1).numpy())
    return {"test_loss": float(np.mean(losses))} | scores("test", test.labels, np.concatenate(predictions))


def scores(split, labels, predictions):
    """Return a split's accuracy and macro F1 under the history's column names."""
    return {
        f"{split}_acc": accuracy_score(labels, predictions),
        f"{split}_f1_macro": f1_score(labels, predictions, average="macro", zero_division=0),
    }
