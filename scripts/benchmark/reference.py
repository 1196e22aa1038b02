"""The other sides: the notebook's PyTorch students and loops as their users write them."""

import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import nn

from scripts.benchmark.rows import Measurement, Turn
from scripts.benchmark.synthetic import CLASSES, PAD_ID, Language, padded_rows

_DIM, _FILTERS, _HEIGHTS = 50, 100, (3, 4, 5)
_CNN_BATCH = 32


class TorchLinear(nn.Module):
    """FastText's linear model as the notebook has it: a padded embedding with a dense gradient, the mean, a layer."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, _DIM, padding_idx=PAD_ID)
        nn.init.uniform_(self.embeddings.weight, 0, 1 / _DIM)
        with torch.no_grad():
            self.embeddings.weight[PAD_ID] = 0
        self.output = nn.Linear(_DIM, CLASSES)
        nn.init.zeros_(self.output.weight)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, classes]."""
        logits: torch.Tensor = self.output(self.embeddings(input_ids).mean(dim=1))
        return logits


class TorchCnn(nn.Module):
    """Kim's CNN as the notebook has it: convolutions of shape [100, 1, height, 50] over an image of one channel."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, _DIM)
        with torch.no_grad():
            self.embedding.weight[PAD_ID] = 0
        self.convolutions = nn.ModuleList(nn.Conv2d(1, _FILTERS, (height, _DIM)) for height in _HEIGHTS)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(_FILTERS * len(_HEIGHTS), CLASSES)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, classes]."""
        embedded = self.embedding(input_ids).unsqueeze(1)
        responses = [F.relu(convolution(embedded)).squeeze(3) for convolution in self.convolutions]
        pooled = [F.max_pool1d(response, response.shape[2]).squeeze(2) for response in responses]
        logits: torch.Tensor = self.fc(self.dropout(torch.cat(pooled, dim=1)))
        return logits


def torch_training(student: str, vocab_size: int, occurring: int, length: int, steps: int) -> Turn:
    """Prepare the notebook's loop: forward, backward, optimiser, loss and predictions kept, a progress bar."""
    torch.manual_seed(0)
    linear = student == "fasttext"
    batch_size = 1 if linear else _CNN_BATCH
    arrays = padded_rows(Language(vocab_size, occurring), steps * batch_size, length)
    input_ids, labels = (torch.from_numpy(array).long() for array in arrays)
    model = TorchLinear(vocab_size) if linear else TorchCnn(vocab_size)
    optimizer: torch.optim.Optimizer
    if linear:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def turn() -> Measurement:
        started = time.perf_counter()
        _train(model, optimizer, input_ids, labels, batch_size)
        return Measurement(steps, time.perf_counter() - started)

    return turn


def _train(
    model: nn.Module, optimizer: torch.optim.Optimizer, input_ids: torch.Tensor, labels: torch.Tensor, batch_size: int
) -> None:
    from sklearn.metrics import accuracy_score, f1_score
    from tqdm import tqdm

    model.train()
    losses, predictions = [], []
    for start in tqdm(range(0, len(labels), batch_size)):
        rows = slice(start, start + batch_size)
        optimizer.zero_grad()
        logits = model(input_ids[rows])
        loss = F.cross_entropy(logits, labels[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        predictions.append(logits.detach().argmax(dim=1).numpy())
    predicted, known = np.concatenate(predictions), labels.numpy()
    float(np.mean(losses)), accuracy_score(known, predicted), f1_score(known, predicted, average="macro")


def torch_prediction(vocab_size: int, occurring: int, length: int, rows: int, batch_size: int = _CNN_BATCH) -> Turn:
    """Prepare the notebook's CNN in evaluation: token ids → logits, in batches of 32."""
    torch.manual_seed(0)
    model = TorchCnn(vocab_size).eval()
    input_ids = torch.from_numpy(padded_rows(Language(vocab_size, occurring), rows, length)[0]).long()

    def turn() -> Measurement:
        started = time.perf_counter()
        with torch.inference_mode():
            torch.cat([model(batch) for batch in input_ids.split(batch_size)]).numpy()
        return Measurement(rows, time.perf_counter() - started)

    return turn
